/** Three real nodes whose network is broken on purpose, while a pod of the first asks in every way; what failed is counted. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Bench } from './bench.ts';
import { type BundledProcess, startBundled } from './bundled-process.ts';
import type { Ended, Loads } from './client-in-pod.ts';
import type { PacedLoad } from './paced-load.ts';
import { processOfPod } from './process-of-pod.ts';
import type { RealCluster } from './real-cluster.ts';
import { median, quantile, type Row } from './row.ts';
import { NAMESPACE, SERVICE, until, type WebCluster, webCluster } from './web-cluster.ts';

const HOST = 'breaks.example.com';
const PER_SECOND = 200;
const NAMES_PER_SECOND = 50;
/** As many as may wait in vain for their whole time. */
const CONNECTIONS = 1_024;
const BEFORE_MS = 1_000;
const AFTER_MS = 2_000;
const PODS = `/api/v1/namespaces/${NAMESPACE}/pods`;

/** The ways that are asked: each request of a Service on a connection of its own, those of the Ingress on kept ones. */
export type Way = 'ClusterIP' | 'Ingress' | 'DNS';

export interface Break {
  name: string;
  /** undefined: some fail, however well it goes. */
  targets: Partial<Record<Way, number | undefined>>;
  /** Why some fail, where it is so with everybody. */
  note?: string;
  happens(): Promise<unknown>;
}

export class BrokenNetwork {
  readonly web: WebCluster;
  readonly #bench: Bench;
  readonly #client: BundledProcess;
  readonly #loads: Record<Way, Loads[string]>;

  private constructor(bench: Bench, { web, client, loads }: BrokenNetworkParts) {
    this.#bench = bench;
    this.web = web;
    this.#client = client;
    this.#loads = loads;
  }

  static async make(bench: Bench): Promise<BrokenNetwork> {
    const web = await webCluster(bench, { nodes: 3, host: HOST });
    const { ask, clusterIP, address } = web;
    await ask('POST', PODS, clientPod);
    const uid = await until('the client runs', async () => {
      const { metadata, status } = (await ask('GET', `${PODS}/${CLIENT}`)) as PodObject;
      return status?.phase === 'Running' ? metadata.uid : undefined;
    });
    const pid = processOfPod(uid);
    const resolvers = readFileSync(`/proc/${pid}/root/etc/resolv.conf`, 'utf8');
    const [, nameserver = ''] = /^nameserver (\S+)$/m.exec(resolvers) ?? [];
    const requests = { port: 80, host: HOST, path: '/', perSecond: PER_SECOND, connections: CONNECTIONS };
    const name = `${SERVICE}.${NAMESPACE}.svc.cluster.local`;
    const loads = {
      ClusterIP: { requests: { ...requests, address: clusterIP, isFresh: true } },
      Ingress: { requests: { ...requests, address } },
      DNS: { names: { address: nameserver, name, perSecond: NAMES_PER_SECOND } },
    };
    const client = await startBundled(bench, 'client-in-pod', pid);
    return new BrokenNetwork(bench, { web, client, loads });
  }

  /** One row for each way. The load begins before it happens and goes on after it. */
  async rowsOf(of: string, { name, targets, note, happens }: Break): Promise<Row[]> {
    const ways = Object.keys(targets) as Way[];
    await this.#client.ask({ begin: Object.fromEntries(ways.map((way) => [way, this.#loads[way]])) });
    await delay(BEFORE_MS);
    const began = performance.now();
    await happens();
    const tookMs = performance.now() - began;
    await delay(AFTER_MS);
    const ended = await this.#client.ask<Ended>({ end: true });
    this.#bench.say(`${name}: ${(tookMs / 1000).toFixed(1)} s; ${ways.map((way) => said(way, ended[way])).join('; ')}`);
    return ways.flatMap((way) => {
      const load = ended[way];
      return load ? [{ ...rowOf(`${of}/${name}, ${way}`, load, targets[way]), ...(note && { note }) }] : [];
    });
  }
}

interface BrokenNetworkParts {
  web: WebCluster;
  client: BundledProcess;
  loads: Record<Way, Loads[string]>;
}

const rowOf = (measure: string, { failed, times }: PacedLoad, target: number | undefined): Row => ({
  measure: `${measure}, failed of ${times.length + failed}`,
  value: failed,
  unit: 'failed',
  p50: median(times),
  p99: quantile(times, 0.99),
  ...(target !== undefined && { target }),
});

const said = (way: Way, load: PacedLoad | undefined): string =>
  `${way} ${load?.failed} of ${(load?.times.length ?? 0) + (load?.failed ?? 0)} ${JSON.stringify([...(load?.failures ?? [])])}`;

/** With the programs of this machine. */
export async function inNetworkOfNode(cluster: RealCluster, node: string, command: readonly string[]): Promise<string> {
  const pid = await cluster.pidOf(`${node}/net`);
  return execFileSync('nsenter', [`--target=${pid}`, '-n', ...command], { encoding: 'utf8' });
}

const CLIENT = 'client';
export const CLIENT_NODE = 'node1';
/** Of the image of the example, which every node has. */
const clientPod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: CLIENT },
  spec: {
    nodeName: CLIENT_NODE,
    terminationGracePeriodSeconds: 0,
    containers: [{ name: 'client', image: 'kedge.local/hello:1' }],
  },
};
interface PodObject {
  metadata: { uid: string };
  status?: { phase?: string };
}
