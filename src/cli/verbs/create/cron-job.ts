/** `kedge create cronjob`. */
import type { Verb } from '../verb.ts';
import { createObject, nameAndCommand, OBJECT_FLAGS, refuseMissing } from './created.ts';

export const createCronJobVerb: Verb = {
  name: 'cronjob',
  aliases: ['cj'],
  summary: 'create a CronJob that runs an image',
  usage: "NAME --image=image --schedule='0/5 * * * ?' -- [COMMAND] [args...]",
  flags: [
    ...OBJECT_FLAGS,
    { name: 'image', type: 'string', summary: 'the image to run' },
    { name: 'schedule', type: 'string', summary: "when, as cron has it: '0 * * * *'" },
    { name: 'restart', type: 'string', summary: 'OnFailure or Never: what is done about a container that fails' },
  ],
  async run(call) {
    const { flags } = call;
    refuseMissing(flags, ['image', 'schedule']);
    const { name, command: behindDash } = nameAndCommand(call);
    const container = {
      ...(behindDash.length > 0 && { command: behindDash }),
      ...(flags.string('image') && { image: flags.string('image') }),
      name,
      resources: {},
    };
    const template = {
      metadata: {},
      spec: { containers: [container], restartPolicy: flags.string('restart') || 'OnFailure' },
    };
    return createObject(call, {
      apiVersion: 'batch/v1',
      kind: 'CronJob',
      metadata: { name },
      spec: { jobTemplate: { metadata: { name }, spec: { template } }, schedule: flags.string('schedule') },
      status: {},
    });
  },
};
