/** A kubelet whose containers run on paper: the real API server, and time that moves when a test says so. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Pod } from '#api/core/v1/pod.ts';
import type { PodSpec, Submitted } from '#api/generated/schema.ts';
import type { Clock } from '#base/clock.ts';
import { silentLog } from '#base/log.ts';
import { seededRandom } from '#base/random.ts';
import { SharedInformers } from '#client/informers.ts';
import type { Usage } from '#node/kubelet/eviction/usage.ts';
import type { Kubelet } from '#node/kubelet/kubelet.ts';
import { type KubeletOptions, startKubelet } from '#node/kubelet/start-kubelet.ts';
import type { Mounter } from '#node/kubelet/volumes/mounter.ts';
import type { ContainerStatus } from '#node/runtime/container.ts';
import { detectMachineFacts } from '#node/runtime/machine-facts.ts';
import type { RuntimeHandler } from '#node/runtime/runtime.ts';
import type { Program } from '#node/runtime/simulated/program.ts';
import { SimulatedRuntime } from '#node/runtime/simulated/simulated-runtime.ts';
import { pod, startCluster, type TestCluster } from '#testing/cluster.ts';

export const IMAGE = 'example/main:1';
export const noMounts: Mounter = {
  tmpfs: async () => undefined,
  bind: async () => undefined,
  mount: async () => undefined,
  hasBindOf: async () => false,
  unmount: async () => undefined,
  below: async () => [],
};

/** Nothing runs short. */
const noUsage: Usage = { node: async () => new Map(), pods: async () => new Map() };

export interface Fixture {
  /** The kubelet's folder. */
  root: string;
  cluster: TestCluster;
  runtime: SimulatedRuntime;
  /** Of the node alone; no time passes. */
  setWallClock(byMs: number): void;
  kubelet(): Kubelet;
  restart(): Promise<void>;
  create(name: string, spec?: Submitted<PodSpec>): Promise<void>;
  pod(name: string): Pod | undefined;
}

export async function withKubelet(
  options: {
    programs?: Record<string, Program>;
    pulls?: string[];
    hangs?: string[];
    handlers?: RuntimeHandler[];
    user?: NonNullable<ContainerStatus['user']>;
    kubelet?: Partial<KubeletOptions>;
  },
  body: (fixture: Fixture) => Promise<void>,
): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'kedge-kubelet-'));
  try {
    await using cluster = await startCluster();
    const { client } = cluster;
    let setByMs = 0;
    const clock: Clock = {
      now: () => cluster.clock.now() + setByMs,
      monotonicMs: () => cluster.clock.monotonicMs(),
      timer: (afterMs, due) => cluster.clock.timer(afterMs, due),
    };
    const program = ({ metadata }: { metadata: { name: string } }) => options.programs?.[metadata.name];
    const runtime = new SimulatedRuntime({
      clock,
      images: [IMAGE],
      program,
      ...(options.pulls && { pulls: options.pulls }),
      ...(options.hangs && { hangs: options.hangs }),
      ...(options.handlers && { handlers: options.handlers }),
      ...(options.user && { user: options.user }),
    });
    const begin = async () => {
      const stop = new AbortController();
      const random = seededRandom(3);
      const informers = new SharedInformers({ client, clock, random, signal: stop.signal });
      const kubelet = await startKubelet({
        nodeName: 'node-1',
        client,
        informers,
        runtime,
        machine: { ...detectMachineFacts(), cgroups: { version: 'none' } },
        clock,
        random,
        log: silentLog,
        directories: { root: join(root, 'kubelet'), logs: join(root, 'logs') },
        addresses: ['192.0.2.1'],
        clusterDNS: ['10.96.0.10'],
        clusterDomain: 'cluster.local',
        mounter: noMounts,
        usage: noUsage,
        ...options.kubelet,
      });
      const end = async () => {
        await kubelet.close();
        stop.abort();
      };
      return { kubelet, informers, end };
    };
    let running = await begin();
    cluster.add({
      get busy() {
        return running.kubelet.busy;
      },
      stop: () => running.end(),
    });
    await body({
      root: join(root, 'kubelet'),
      cluster,
      runtime,
      setWallClock(byMs) {
        setByMs += byMs;
      },
      kubelet: () => running.kubelet,
      async restart() {
        await running.end();
        running = await begin();
      },
      async create(name, spec = {}) {
        await cluster.create(Pod, pod(name, { nodeName: 'node-1', terminationGracePeriodSeconds: 5, ...spec }));
        await cluster.settles();
      },
      pod: (name) => cluster.get(Pod, `default/${name}`),
    });
  } finally {
    rmSync(root, { recursive: true, force: true, maxRetries: 5 });
  }
}
