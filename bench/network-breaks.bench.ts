/**
 * What fails while the network is broken, of requests from a pod through a Service and through an Ingress, on three real nodes: its
 * endpoints change, the proxy and a process of the Ingress are killed, rules are flushed.
 */
import type { Bench } from './bench.ts';
import { BrokenNetwork, CLIENT_NODE as NODE, inNetworkOfNode } from './broken-network.ts';
import { childrenOf } from './process-of-pod.ts';
import { hasRealNodes } from './real-cluster.ts';
import type { Row } from './row.ts';
import { rollOut, until } from './web-cluster.ts';

export async function run(bench: Bench): Promise<Row[]> {
  if (!(await hasRealNodes(bench))) return [];
  const network = await BrokenNetwork.make(bench);
  const { cluster } = network.web;
  const rows: Row[] = [];
  const breaks = [
    { name: 'endpoints change', targets: { ClusterIP: 0, Ingress: 0 }, happens: () => rollOut(network.web) },
    {
      name: 'net of its node killed',
      targets: { ClusterIP: 0, Ingress: 0, DNS: 0 },
      happens: () => killed(),
    },
    {
      name: 'process of the Ingress killed',
      targets: { ClusterIP: 0, Ingress: undefined },
      note: 'requests under way end with the process that carries them',
      happens: () => workerKilled(),
    },
    {
      name: 'rules of its node flushed',
      targets: { ClusterIP: undefined, Ingress: 0 },
      note: 'connections that begin before the rules are back',
      happens: () => flushed(),
    },
  ];
  for (const each of breaks) rows.push(...(await network.rowsOf('network-breaks', each)));
  return rows;

  async function killed(): Promise<void> {
    const pid = await cluster.pidOf(`${NODE}/net`);
    process.kill(pid, 'SIGKILL');
    await until('it runs again', async () => (await netPid()) !== pid || undefined);
    await until('the Ingress has a process', async () => (await workers()).length > 0 || undefined);
  }
  /** 0: none runs. */
  function netPid(): Promise<number> {
    return cluster.pidOf(`${NODE}/net`).catch(() => 0);
  }
  async function workers(): Promise<number[]> {
    return childrenOf(await netPid(), 'ingress-worker');
  }
  async function workerKilled(): Promise<void> {
    const before = await workers();
    const [pid = 0] = before;
    if (!pid) throw new Error('the Ingress has no process');
    process.kill(pid, 'SIGKILL');
    const isReplaced = (now: number[]) => !now.includes(pid) && now.length >= before.length;
    await until('another runs', async () => isReplaced(await workers()) || undefined);
  }
  async function flushed(): Promise<void> {
    await inNetworkOfNode(cluster, NODE, ['nft', 'flush', 'table', 'ip', 'kube-proxy']);
  }
}
