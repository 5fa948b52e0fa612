/** Why a pod fits nowhere, in upstream's words: people and tools search for them. Source: framework, FitError. */
import type { Refusal } from './cycle.ts';
import type { Refused } from './verdict.ts';

export const NO_NODES = 'no nodes available to schedule pods';

/** `preemption`: what is said of trying to make room; may be empty. */
export function refusalMessage({ nodeCount, verdicts, general }: Refusal, preemption: string): string {
  const reasons = general ?? told(counted(verdicts.values()));
  return `0/${nodeCount} nodes are available:${reasons && ` ${reasons}.`}${preemption && ` ${preemption}`}`;
}

/** `1 Insufficient cpu, 2 node(s) were unschedulable`, sorted as text. */
export function histogram(reasons: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  return told(counts);
}

/** Thousands of nodes one after the other mostly say the same. */
function counted(verdicts: Iterable<Refused>): Map<string, number> {
  const counts = new Map<string, number>();
  let last = '';
  let times = 0;
  const add = () => times > 0 && counts.set(last, (counts.get(last) ?? 0) + times);
  for (const { reasons } of verdicts)
    for (const reason of reasons) {
      if (reason !== last) {
        add();
        last = reason;
        times = 0;
      }
      times++;
    }
  add();
  return counts;
}

function told(counts: ReadonlyMap<string, number>): string {
  return [...counts]
    .map(([reason, count]) => `${count} ${reason}`)
    .sort()
    .join(', ');
}
