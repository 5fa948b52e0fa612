/** A cluster with one real node, and pods on it that are as small as pods can be. */
import type { ClientHttp2Session } from 'node:http2';
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '#cmd/system-clock.ts';
import { PAUSE_IMAGE } from '#node/images/pause-image.ts';
import { connectContainerd } from '#node/runtime/containerd/containerd.ts';
import type { ContainerRuntime } from '#node/runtime/runtime.ts';
import type { Bench } from './bench.ts';
import { exchange, open } from './http2-load.ts';
import { podsPath } from './objects.ts';
import { PodWatch } from './pod-watch.ts';
import { hasRealNodes, RealCluster } from './real-cluster.ts';

export const NODE = 'node1';
export const NAMESPACE = 'default';
const REMOVED_WITHIN_MS = 40_000;

interface PodWish {
  /** Not given: the scheduler names it. */
  nodeName?: string;
  container?: object;
}

export class BenchNode {
  readonly cluster: RealCluster;
  readonly runtime: ContainerRuntime;
  readonly session: ClientHttp2Session;
  readonly watch: PodWatch;
  #made = 0;

  private constructor(
    cluster: RealCluster,
    { runtime, session, watch }: { runtime: ContainerRuntime; session: ClientHttp2Session; watch: PodWatch },
  ) {
    this.cluster = cluster;
    this.runtime = runtime;
    this.session = session;
    this.watch = watch;
  }

  /** undefined, with a word to the person who waits: this machine has no real nodes. */
  static async start(bench: Bench): Promise<BenchNode | undefined> {
    if (!(await hasRealNodes(bench))) return undefined;
    const cluster = await RealCluster.make(bench, { nodes: 1 });
    bench.say('kedge up, one node');
    await cluster.up();
    const { containerdSocket } = await cluster.layout(NODE);
    const runtime = connectContainerd({ socketPath: containerdSocket, clock: systemClock });
    bench.atEnd(() => runtime.close());
    const session = await open(cluster.target());
    bench.atEnd(() => session.destroy());
    return new BenchNode(cluster, { runtime, session, watch: await PodWatch.open(session, NAMESPACE) });
  }

  nextName(): string {
    return `bench-${this.#made++}`;
  }

  /** @returns ms until each was seen Running */
  run(names: readonly string[], wish: PodWish = {}): Promise<number[]> {
    return Promise.all(
      names.map(async (name) => {
        const began = performance.now();
        const running = this.watch.running(name);
        await exchange(this.session, { method: 'POST', path: podsPath(NAMESPACE), body: podBody(name, wish) });
        return (await running) - began;
      }),
    );
  }

  /** Resolves when the node, too, has nothing of them. */
  async remove(names: readonly string[]): Promise<void> {
    await Promise.all(
      names.map(async (name) => {
        const gone = this.watch.gone(name);
        await exchange(this.session, { method: 'DELETE', path: `${podsPath(NAMESPACE)}/${name}?gracePeriodSeconds=0` });
        await gone;
      }),
    );
    // The API forgets a pod before its node has; what comes next would be measured beside the clearing away.
    for (const deadline = performance.now() + REMOVED_WITHIN_MS; performance.now() < deadline; await delay(20)) {
      if ((await this.runtime.listPodSandboxes()).length === 0) return;
    }
    throw new Error(`sandboxes are left after ${REMOVED_WITHIN_MS} ms`);
  }
}

/** The pause image also as the container: nothing starts faster. */
const podBody = (name: string, { nodeName, container = { image: PAUSE_IMAGE } }: PodWish): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: {
      containers: [{ name: 'main', imagePullPolicy: 'Never', ...container }],
      terminationGracePeriodSeconds: 0,
      ...(nodeName && { nodeName }),
    },
  });
