/** Why a pod fits nowhere, in upstream's words: people and tools search for them. Source: framework, FitError. */
import type { Pod } from '#api/core/v1/pod.ts';
import type { Refusal } from './cycle.ts';

export const NO_NODES = 'no nodes available to schedule pods';

const NO_VICTIMS = 'No preemption victims found for incoming pod';
const NOT_HELPFUL = 'Preemption is not helpful for scheduling';

/** `preemption` is what came of trying to make room; see `preemptionMessage`. */
export function refusalMessage({ nodeCount, verdicts, general }: Refusal, preemption: string): string {
  const reasons = general ?? histogram([...verdicts.values()].flatMap(({ reasons: said }) => said));
  return `0/${nodeCount} nodes are available: ${reasons}. ${preemption}`;
}

/** What is said when no pod could be moved away for this one. */
export function noVictimsMessage(pod: Pod, { nodeCount, verdicts }: Refusal): string {
  if (pod.spec.preemptionPolicy === 'Never') return 'preemption: not eligible due to preemptionPolicy=Never.';
  const reasons = [...verdicts.values()].map(({ isUnresolvable }) => (isUnresolvable ? NOT_HELPFUL : NO_VICTIMS));
  return `preemption: 0/${nodeCount} nodes are available: ${histogram(reasons)}.`;
}

/** `1 Insufficient cpu, 2 node(s) were unschedulable`, sorted as text. */
function histogram(reasons: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  return [...counts]
    .map(([reason, count]) => `${count} ${reason}`)
    .sort()
    .join(', ');
}
