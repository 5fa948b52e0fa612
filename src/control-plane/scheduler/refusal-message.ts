/** Why a pod fits nowhere, in upstream's words: people and tools search for them. Source: framework, FitError. */
import type { Refusal } from './cycle.ts';

export const NO_NODES = 'no nodes available to schedule pods';

/** `preemption`: what is said of trying to make room; may be empty. */
export function refusalMessage({ nodeCount, verdicts, general }: Refusal, preemption: string): string {
  const reasons = general ?? histogram([...verdicts.values()].flatMap(({ reasons: said }) => said));
  return `0/${nodeCount} nodes are available: ${reasons}.${preemption && ` ${preemption}`}`;
}

/** `1 Insufficient cpu, 2 node(s) were unschedulable`, sorted as text. */
export function histogram(reasons: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  return [...counts]
    .map(([reason, count]) => `${count} ${reason}`)
    .sort()
    .join(', ');
}
