/**
 * What fails while the network is broken, of requests from a pod through a Service and through an Ingress, on three real nodes: its
 * endpoints change, the proxy and a process of the Ingress are killed, rules are flushed.
 */
import type { Bench } from './bench.ts';
import { BrokenNetwork, CLIENT_NODE as NODE, inNetworkOfNode } from './broken-network.ts';
import { childrenOf } from './process-of-pod.ts';
import { missingHere } from './real-cluster.ts';
import type { Row } from './row.ts';
import { rollOut, until } from './web-cluster.ts';

export async function run(bench: Bench): Promise<Row[]> {
  const missing = await missingHere();
  if (missing) {
    bench.say(`no rows: ${missing}`);
    return [];
  }
  const network = await BrokenNetwork.make(bench);
  const { cluster } = network.web;
  const rows: Row[] = [];
  const breaks = [
    { name: 'endpoints change', targets: { ClusterIP: 0, Ingress: 0 }, happens: () => rollOut(network.web) },
    {
      name: 'net of its node killed',
      targets: { ClusterIP: 0, Ingress: undefined, DNS: undefined },
      note: 'until it runs again: kube-proxy, Ingress and DNS of a node are this process and its children; rules outlive it',
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
    await workerOf();
  }
  /** 0: none runs. */
  function netPid(): Promise<number> {
    return cluster.pidOf(`${NODE}/net`).catch(() => 0);
  }
  function workerOf(): Promise<number> {
    return until('the Ingress has a process', async () => childrenOf(await netPid(), 'ingress-worker')[0]);
  }
  async function workerKilled(): Promise<void> {
    const pid = await workerOf();
    process.kill(pid, 'SIGKILL');
    await until('another runs', async () => (await workerOf()) !== pid || undefined);
  }
  async function flushed(): Promise<void> {
    await inNetworkOfNode(cluster, NODE, ['nft', 'flush', 'table', 'ip', 'kube-proxy']);
  }
}
