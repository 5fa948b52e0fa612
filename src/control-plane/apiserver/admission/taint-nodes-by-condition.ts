/** A new node takes no pods until the node lifecycle controller has seen it ready. */
import type { Node } from '#api/core/v1/node.ts';
import { defineAdmission } from './define-admission.ts';

const NOT_READY = { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' } as const;

export const taintNodesByCondition = defineAdmission<Node>({
  name: 'TaintNodesByCondition',
  on: { resources: [{ group: '', plural: 'nodes' }], verbs: ['create'] },

  mutate(node) {
    const taints = node.spec?.taints ?? [];
    if (taints.some(({ key, effect }) => key === NOT_READY.key && effect === NOT_READY.effect)) return node;
    return { ...node, spec: { ...node.spec, taints: [...taints, NOT_READY] } };
  },
});
