/**
 * `true` in a container by `pods/exec`: from opening the WebSocket at the API server, a new TLS connection, to the exit code;
 * against the same command asked of the runtime itself (ExecSync), turn about.
 */
import { endpointOf, readKubeconfig } from '#client/transport/kubeconfig.ts';
import { runRemoteCommand } from '#client/transport/remote-command.ts';
import type { Bench } from './bench.ts';
import { BenchNode, NAMESPACE, NODE } from './bench-node.ts';
import { podsPath } from './objects.ts';
import { median, type Row, timesRow } from './row.ts';
import { turnAbout } from './turns.ts';

const IMAGE = 'kedge.local/bench:1';
const POD = 'target';
const TIMES = 60;
const TARGET_MS = 60;

export async function run(bench: Bench): Promise<Row[]> {
  const node = await BenchNode.start(bench);
  if (!node) return [];
  await node.cluster.loadBusybox(IMAGE);
  await node.run([POD], { nodeName: NODE, container: { image: IMAGE, command: ['sleep', '86400'] } });
  const endpoint = endpointOf(readKubeconfig(node.cluster.kubeconfig()));
  const [container] = await node.runtime.listContainers();
  const { signal } = new AbortController();
  const path = `${podsPath(NAMESPACE)}/${POD}/exec?command=true&stdout=true&stderr=true`;

  const timed = async (act: () => Promise<string | undefined>): Promise<number> => {
    const began = performance.now();
    const outcome = await act();
    if (outcome !== 'Success') throw new Error(`the command ended with ${outcome}`);
    return performance.now() - began;
  };
  const streams = { stdout: () => undefined, stderr: () => undefined };
  const byApi = () => timed(async () => (await runRemoteCommand({ endpoint, path, signal, ...streams })).status);
  const byCri = () =>
    timed(async () =>
      (await node.runtime.execSync(container?.id ?? '', ['true'], 10)).exitCode === 0 ? 'Success' : '',
    );

  bench.say('by the API and by the runtime, turn about');
  await byApi(); // the first connection of each to the next
  const { own, floor } = await turnAbout(TIMES, byApi, byCri);
  return [
    {
      ...timesRow('exec/round trip', own, { value: median(floor), note: 'ExecSync of the same command' }),
      target: TARGET_MS,
    },
  ];
}
