/** The two PriorityClasses that every cluster has, for what it cannot do without. */
import { hasReason } from '#api/machinery/status.ts';
import { PriorityClass, SYSTEM_PRIORITY_CLASSES } from '#api/scheduling/v1/priority-class.ts';
import type { Client } from '#client/client.ts';

const DESCRIPTIONS: Readonly<Record<string, string>> = {
  'system-node-critical': 'Used for system critical pods that must not be moved from their current node.',
  'system-cluster-critical':
    'Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.',
};

/** Creates those that are not there. */
export async function ensureSystemPriorityClasses(client: Client): Promise<void> {
  const classes = Object.entries(SYSTEM_PRIORITY_CLASSES);
  await Promise.all(classes.map(([name, value]) => createUnlessThere(client, name, value)));
}

async function createUnlessThere(client: Client, name: string, value: number): Promise<void> {
  try {
    await client.create(PriorityClass, {
      metadata: { name },
      value,
      description: DESCRIPTIONS[name] ?? '',
      preemptionPolicy: 'PreemptLowerPriority',
    });
  } catch (error) {
    if (!hasReason(error, 'AlreadyExists')) throw error;
  }
}
