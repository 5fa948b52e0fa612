/** A built control plane with simulated nodes, as a client over TLS sees it: ready nodes, and a Deployment of any size. */
import type { ClientHttp2Session } from 'node:http2';
import { setTimeout as delay } from 'node:timers/promises';
import type { Bench } from './bench.ts';
import { type BenchCluster, type ControlPlaneProcess, newCluster, startControlPlane } from './control-plane-process.ts';
import { type Ask, exchange, open } from './http2-load.ts';

const DEPLOYMENTS = '/apis/apps/v1/namespaces/default/deployments';
const POLL_MS = 20;
/** Between looks that are much work for the server. */
const LIST_MS = 250;
/** Whoever follows nodes has done with a change by then. */
const CALM_MS = 500;

export class SimulatedCluster {
  readonly process: ControlPlaneProcess;
  readonly #session: ClientHttp2Session;

  private constructor(process: ControlPlaneProcess, session: ClientHttp2Session) {
    this.process = process;
    this.#session = session;
  }

  /** Resolves when all of its nodes are ready and take pods, and controllers are done with them. */
  static async start(
    bench: Bench,
    nodes: number,
    store: (cluster: BenchCluster) => Promise<void> = async () => undefined,
  ): Promise<SimulatedCluster> {
    const stored = await newCluster(bench, { simulatedNodes: nodes });
    await store(stored);
    const process = await startControlPlane(bench, stored);
    const session = await open(process.target);
    bench.atEnd(() => session.destroy());
    const cluster = new SimulatedCluster(process, session);
    bench.say(`${nodes} nodes register`);
    await cluster.#until(async () => {
      const { items } = await cluster.#nodes();
      return items.length === nodes && items.every(({ spec }) => !spec.taints?.length);
    });
    await cluster.#unchanged(async () =>
      (await cluster.#nodes()).items.map(({ metadata }) => metadata.resourceVersion),
    );
    return cluster;
  }

  #nodes(): Promise<{ items: { metadata: { resourceVersion: string }; spec: { taints?: unknown[] } }[] }> {
    return this.get('/api/v1/nodes');
  }

  async get<T>(path: string): Promise<T> {
    return JSON.parse((await this.#ask({ path })).toString()) as T;
  }

  async createDeployment(name: string): Promise<void> {
    const labels = { app: name };
    const template = {
      metadata: { labels },
      spec: { terminationGracePeriodSeconds: 1, containers: [{ name: 'main', image: 'example/main:1' }] },
    };
    const object = {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name },
      spec: { replicas: 0, selector: { matchLabels: labels }, template },
    };
    await this.#send('POST', DEPLOYMENTS, object, 'application/json');
  }

  /** Resolves with how many ms it took until all replicas were ready. */
  async scale(name: string, replicas: number): Promise<number> {
    const path = `${DEPLOYMENTS}/${name}`;
    const began = performance.now();
    await this.#send('PATCH', path, { spec: { replicas } }, 'application/merge-patch+json');
    await this.#until(async () => {
      const { status } = await this.get<{ status: { readyReplicas?: number; replicas?: number } }>(path);
      return (status.readyReplicas ?? 0) === replicas && (status.replicas ?? 0) === replicas;
    });
    return performance.now() - began;
  }

  /** Resolves when there is an Event of this reason for each of so many pods. */
  async eventsWritten(reason: string, pods: number): Promise<void> {
    const path = `/api/v1/namespaces/default/events?fieldSelector=reason%3D${reason}`;
    while ((await this.get<{ items: unknown[] }>(path)).items.length < pods) await delay(LIST_MS);
  }

  async #send(method: string, path: string, object: object, contentType: string): Promise<void> {
    await this.#ask({ method, path, body: JSON.stringify(object), contentType });
  }

  #ask(ask: Ask): Promise<Buffer> {
    return exchange(this.#session, ask);
  }

  /** Resolves when it is the same as a while before. */
  async #unchanged(ask: () => Promise<unknown>): Promise<void> {
    for (let before: string | undefined; ; await delay(CALM_MS)) {
      const now = JSON.stringify(await ask());
      if (now === before) return;
      before = now;
    }
  }

  async #until(isSo: () => Promise<boolean>): Promise<void> {
    while (!(await isSo())) await delay(POLL_MS);
  }
}
