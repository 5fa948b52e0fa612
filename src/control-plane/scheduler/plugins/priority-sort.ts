/** The pod of the higher priority first; of equal ones the one that has waited longer. */
import { definePlugin } from '../define-plugin.ts';

export const prioritySort = definePlugin({
  name: 'PrioritySort',
  queueSort: (a, b) => (b.pod.spec.priority ?? 0) - (a.pod.spec.priority ?? 0) || a.sinceMs - b.sinceMs,
  retryWhen: [],
});
