/** What fails, of what a pod asks of names, a Service and an Ingress, while nobody answers for the API for a whole minute. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Bench } from './bench.ts';
import { BrokenNetwork } from './broken-network.ts';
import { hasRealNodes } from './real-cluster.ts';
import type { Row } from './row.ts';

const AWAY_MS = 60_000;

export async function run(bench: Bench): Promise<Row[]> {
  if (!(await hasRealNodes(bench))) return [];
  const network = await BrokenNetwork.make(bench);
  return network.rowsOf('api-server-away', {
    name: 'a minute',
    targets: { ClusterIP: 0, Ingress: 0, DNS: 0 },
    note: 'stopped for 60 s, then killed and started anew',
    happens: async () => {
      const pid = await network.web.cluster.pidOf('control-plane');
      process.kill(pid, 'SIGSTOP');
      await delay(AWAY_MS);
      process.kill(pid, 'SIGKILL');
    },
  });
}
