/** Which ports of this machine's loopback lead into the cluster that a kubeconfig means; none where it is not one of this machine. */
import { join } from 'node:path';
import type { Clock } from '#base/clock.ts';
import { clusterPaths, clustersFolder } from '#node/machine/cluster-dir.ts';
import { slotOwners } from '#node/machine/slots.ts';
import { ControlClient } from './control-client.ts';
import type { PublishedPort } from './control-protocol.ts';

export async function loopbackPortsOf(
  server: string,
  { env, clock }: { env: NodeJS.ProcessEnv; clock: Clock },
): Promise<PublishedPort[]> {
  const register = { folder: join(clustersFolder(env), '.machine'), clock, rangesInUse: nothing, isPortFree: always };
  for (const { name, dataDir } of await slotOwners(register)) {
    const status = await new ControlClient(clusterPaths(name, dataDir).controlSocket)
      .statusIfRunning()
      .catch(() => undefined); // another user's
    if (status?.server === server) return (status.published ?? []).filter(({ problem }) => !problem);
  }
  return [];
}

const nothing = async () => [];
const always = async () => true;
