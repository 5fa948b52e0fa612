/** Holds a pod back until all of its scheduling gates are gone. */
import { definePlugin, fits, unresolvable } from '../define-plugin.ts';

export const schedulingGates = definePlugin({
  name: 'SchedulingGates',
  preEnqueue({ spec: { schedulingGates: gates = [] } }) {
    if (gates.length === 0) return fits;
    return unresolvable(`waiting for scheduling gates: [${gates.map(({ name }) => name).join(' ')}]`);
  },
  retryWhen: [],
});
