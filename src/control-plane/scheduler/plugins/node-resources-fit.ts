/** What a pod asks for must be free; among the rest the node with the most left is preferred (LeastAllocated). */
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { changed, definePlugin, fits, removed, unresolvable, unschedulable, updated } from '../define-plugin.ts';
import type { NodeInfo } from '../node-info.ts';
import { assumedRequestsOf, COMMON_NAMES, CPU, MEMORY, PODS, requestsOf } from '../resources.ts';

export const nodeResourcesFit = definePlugin({
  name: 'NodeResourcesFit',
  weight: 1,

  filter(pod, info) {
    const lacking = lackingOf(pod, info);
    if (lacking.length === 0) return fits;
    const reasons = lacking.map(({ reason }) => reason);
    return lacking.some(({ isNeverEnough }) => isNeverEnough) ? unresolvable(...reasons) : unschedulable(...reasons);
  },

  score: (pod, node) => Math.floor((freeShareOf(CPU, pod, node) + freeShareOf(MEMORY, pod, node)) / 2),

  retryWhen: [changed(Node, 'status.allocatable'), removed(Pod), updated(Pod, 'spec.containers')],
});

/** In percent, with the pod on it. */
function freeShareOf(resource: number, pod: Pod, { allocatable, assumed }: NodeInfo): number {
  const capacity = allocatable.common[resource] as number;
  const used = (assumed.common[resource] as number) + (assumedRequestsOf(pod).common[resource] as number);
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
  if (pods.length + 1 > (allocatable.common[PODS] as number))
    lacking = [{ reason: 'Too many pods', isNeverEnough: false }];
  const { common, others } = requestsOf(pod);
  const look = (name: string, amount: number, total: number, used: number) => {
    if (amount > 0 && amount > total - used)
      lacking = [...lacking, { reason: `Insufficient ${name}`, isNeverEnough: amount > total }];
  };
  for (const [i, name] of COMMON_NAMES.entries())
    look(name, common[i] as number, allocatable.common[i] as number, requested.common[i] as number);
  for (const [name, amount] of others)
    look(name, amount, allocatable.others.get(name) ?? 0, requested.others.get(name) ?? 0);
  return lacking;
}
