/** `kedge create priorityclass`: which pods come before others. */
import type { Verb } from '../verb.ts';
import { createObject, OBJECT_FLAGS, onlyName } from './created.ts';

export const createPriorityClassVerb: Verb = {
  name: 'priorityclass',
  aliases: ['pc'],
  summary: 'create a PriorityClass: which pods come before others',
  usage: 'NAME --value=VALUE --global-default=BOOL',
  flags: [
    ...OBJECT_FLAGS,
    { name: 'value', type: 'int32', default: '0', summary: 'the priority; the higher comes first' },
    { name: 'global-default', type: 'bool', summary: 'for all pods that name none' },
    { name: 'description', type: 'string', summary: 'when it is to be used' },
    {
      name: 'preemption-policy',
      type: 'string',
      default: 'PreemptLowerPriority',
      summary: 'PreemptLowerPriority or Never: whether other pods go for theirs',
    },
  ],
  async run(call) {
    const { flags } = call;
    const metadata = { name: onlyName(call) };
    const description = flags.string('description');
    return createObject(call, {
      apiVersion: 'scheduling.k8s.io/v1',
      kind: 'PriorityClass',
      metadata,
      ...(description && { description }),
      ...(flags.bool('global-default') && { globalDefault: true }),
      preemptionPolicy: flags.string('preemption-policy'),
      value: flags.int('value'),
    });
  },
};
