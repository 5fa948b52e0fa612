/** The two PriorityClasses that every cluster has, for what it cannot do without. */
import { hasReason } from '#api/machinery/status.ts';
import { PriorityClass } from '#api/scheduling/v1/priority-class.ts';
import type { Client } from '#client/client.ts';

const CLASSES = [
  {
    name: 'system-node-critical',
    value: 2_000_001_000,
    description: 'Used for system critical pods that must not be moved from their current node.',
  },
  {
    name: 'system-cluster-critical',
    value: 2_000_000_000,
    description:
      'Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.',
  },
];

/** Creates those that are not there. */
export async function ensureSystemPriorityClasses(client: Client): Promise<void> {
  await Promise.all(
    CLASSES.map(async ({ name, value, description }) => {
      try {
        await client.create(PriorityClass, {
          metadata: { name },
          value,
          description,
          preemptionPolicy: 'PreemptLowerPriority',
        });
      } catch (error) {
        if (!hasReason(error, 'AlreadyExists')) throw error;
      }
    }),
  );
}
