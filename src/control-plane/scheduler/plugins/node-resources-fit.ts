/** What a pod asks for must be free; among the rest the node with the most left is preferred (LeastAllocated). */
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { changed, definePlugin, fits, removed, unresolvable, unschedulable, updated } from '../define-plugin.ts';
import type { NodeInfo } from '../node-info.ts';
import { assumedRequestsOf, requestsOf } from '../resources.ts';

export const nodeResourcesFit = definePlugin({
  name: 'NodeResourcesFit',
  weight: 1,

  filter(pod, info) {
    const lacking = lackingOf(pod, info);
    if (lacking.length === 0) return fits;
    const reasons = lacking.map(({ reason }) => reason);
    return lacking.some(({ isNeverEnough }) => isNeverEnough) ? unresolvable(...reasons) : unschedulable(...reasons);
  },

  score: (pod, node) => Math.floor((freeShareOf('cpu', pod, node) + freeShareOf('memory', pod, node)) / 2),

  retryWhen: [changed(Node, 'status.allocatable'), removed(Pod), updated(Pod, 'spec.containers')],
});

/** In percent, with the pod on it. */
function freeShareOf(name: string, pod: Pod, { allocatable, assumed }: NodeInfo): number {
  const capacity = allocatable.get(name) ?? 0;
  const used = (assumed.get(name) ?? 0) + (assumedRequestsOf(pod).get(name) ?? 0);
  return used >= capacity ? 0 : Math.floor(((capacity - used) * 100) / capacity);
}

interface Lacking {
  reason: string;
  /** Not even an empty node has so much. */
  isNeverEnough: boolean;
}

const NOTHING: readonly Lacking[] = [];

function lackingOf(pod: Pod, { allocatable, requested, pods }: NodeInfo): readonly Lacking[] {
  let lacking: readonly Lacking[] = NOTHING;
  if (pods.length + 1 > (allocatable.get('pods') ?? 0)) lacking = [{ reason: 'Too many pods', isNeverEnough: false }];
  for (const [name, amount] of requestsOf(pod)) {
    if (amount === 0) continue;
    const total = allocatable.get(name) ?? 0;
    if (amount > total - (requested.get(name) ?? 0))
      lacking = [...lacking, { reason: `Insufficient ${name}`, isNeverEnough: amount > total }];
  }
  return lacking;
}
