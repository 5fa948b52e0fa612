/** `kedge create job`: of an image, or of what a CronJob would start. */
import type { CronJob } from '#api/generated/schema.ts';
import type { ManifestObject } from '../manifests.ts';
import { targetsOf } from '../targets.ts';
import type { Verb, VerbCall } from '../verb.ts';
import { throwIfAny, VerbError } from '../verb-error.ts';
import { createObject, nameAndCommand, OBJECT_FLAGS } from './created.ts';

export const createJobVerb: Verb = {
  name: 'job',
  summary: 'create a Job of an image, or of a CronJob',
  usage: 'NAME --image=image [--from=cronjob/name] -- [COMMAND] [args...]',
  flags: [
    ...OBJECT_FLAGS,
    { name: 'image', type: 'string', summary: 'the image to run' },
    { name: 'from', type: 'string', summary: 'the CronJob whose Job it is to be' },
  ],
  async run(call) {
    const { name, command } = nameAndCommand(call);
    const [image, from] = [call.flags.string('image'), call.flags.string('from')];
    if (Boolean(image) === Boolean(from)) throw new VerbError('either --image or --from must be specified');
    if (from && command.length > 0) throw new VerbError('cannot specify --from and command');
    return createObject(call, from ? jobOf(await cronJobIn(call, from), name) : jobOfImage(image, name, command));
  },
};

function jobOfImage(image: string, name: string, command: readonly string[]): ManifestObject {
  const container = { image, name, ...(command.length > 0 && { command }), resources: {} };
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name },
    spec: { template: { metadata: {}, spec: { containers: [container], restartPolicy: 'Never' } } },
    status: {},
  };
}

/** Throws VerbError for what is none. */
async function cronJobIn(call: VerbCall, from: string): Promise<CronJob> {
  const { targets, errors } = await targetsOf({ ...call, args: [from] }, { latest: true });
  throwIfAny(errors);
  const [target] = targets;
  if (targets.length !== 1 || !target) throw new VerbError('from must be an existing cronjob');
  const { version, group, kind } = target.resource;
  if (kind !== 'CronJob' || group !== 'batch') throw new VerbError(`unknown object type *${version}.${kind}`);
  return target.object as CronJob;
}

/** Whoever deletes the CronJob deletes it, too; the CronJob counts it as its own. */
function jobOf({ metadata, spec }: CronJob, name: string): ManifestObject {
  const { labels, annotations } = spec.jobTemplate.metadata ?? {};
  const owner = { apiVersion: 'batch/v1', controller: true, kind: 'CronJob', name: metadata.name, uid: metadata.uid };
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      annotations: { 'cronjob.kubernetes.io/instantiate': 'manual', ...annotations },
      ...(labels && { labels }),
      name,
      ownerReferences: [owner],
    },
    spec: spec.jobTemplate.spec,
    status: {},
  };
}
