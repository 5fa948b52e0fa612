/**
 * Tells each kubelet how long it may keep Secrets and ConfigMaps before it looks again: the longer, the more nodes there are.
 * Between two sizes it stays what it was, so that it does not change to and fro. Source: pkg/controller/ttl.
 */
import { Node } from '#api/core/v1/node.ts';
import { defineController, settled } from '../define-controller.ts';

export const TTL = 'node.alpha.kubernetes.io/ttl';

/** In nodes; the sizes of neighbours overlap. */
const STEPS = [
  { fewest: 0, most: 100, seconds: 0 },
  { fewest: 90, most: 500, seconds: 15 },
  { fewest: 450, most: 1_000, seconds: 30 },
  { fewest: 900, most: 2_000, seconds: 60 },
  { fewest: 1_800, most: Number.POSITIVE_INFINITY, seconds: 300 },
] as const;

/** The step that a cluster is at with so many nodes, when it was at another. */
export function stepAfter(step: number, nodes: number): number {
  if (nodes > STEPS[step]!.most) return stepAfter(step + 1, nodes);
  return nodes < STEPS[step]!.fewest ? stepAfter(step - 1, nodes) : step;
}

export const secondsOf = (step: number): number => STEPS[step]!.seconds;

export const nodeTtl = defineController(() => {
  let step = 0;

  return {
    name: 'ttl-controller',
    reconciles: Node,
    writes: { patch: [Node] },

    async reconcile({ metadata: { name, annotations } }, { api, cached }) {
      step = stepAfter(step, cached(Node).size);
      const ttl = `${secondsOf(step)}`;
      if (annotations?.[TTL] === ttl) return settled;
      const patch = { metadata: { annotations: { [TTL]: ttl } } };
      await api.patch(Node, { name }, { type: 'strategic', patch });
      return settled;
    },

    async gone({ cached }) {
      step = stepAfter(step, cached(Node).size);
      return settled;
    },
  };
});
