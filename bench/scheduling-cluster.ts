/** A control plane in this process, with the store on disk and no kubelets, as upstream's scheduler_perf has one. */
import { generateKeyPairSync } from 'node:crypto';
import { join } from 'node:path';
import { bodies, catalog } from '#api/catalog.ts';
import { Event } from '#api/core/v1/event.ts';
import { Namespace } from '#api/core/v1/namespace.ts';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import type { Submitted } from '#api/generated/schema.ts';
import { createKindRegistry } from '#api/machinery/kind-registry.ts';
import { silentLog } from '#base/log.ts';
import { Client, type Draft } from '#client/client.ts';
import { SharedInformers } from '#client/informers.ts';
import { InProcessTransport } from '#client/transport/in-process.ts';
import type { UserInfo } from '#client/transport.ts';
import { systemClock, systemRandom } from '#cmd/system-clock.ts';
import { defaultAdmission } from '#control-plane/apiserver/admission/chain.ts';
import { createApiServer } from '#control-plane/apiserver/apiserver.ts';
import { TokenIssuer } from '#control-plane/apiserver/authentication/token-issuer.ts';
import { ensureBootstrapObjects } from '#control-plane/apiserver/authorization/ensure-bootstrap-objects.ts';
import type { SchedulerStats } from '#control-plane/scheduler/scheduler.ts';
import { type RunningScheduler, startScheduler } from '#control-plane/scheduler/start-scheduler.ts';
import { openLmdbStorage } from '#control-plane/storage/lmdb.ts';
import type { Bench } from './bench.ts';

export type PodSpec = Submitted<Pod['spec']>;

export interface PodsToMake {
  count: number;
  /** Default: `default`. */
  namespace?: string;
  labels?: Record<string, string>;
  spec?: PodSpec;
  /** Made by so many callers at once. */
  callers?: number;
  /** They name their node themselves: nobody schedules them. */
  nodeOf?(index: number): string;
  /** Their names begin so. */
  prefix: string;
}

/** Those that scheduler_perf does without. They need controllers, or refuse what its pods say of themselves. */
const NOT_RUNNING = new Set(['ServiceAccount', 'TaintNodesByCondition', 'Priority', 'StorageObjectInUseProtection']);
/** As many as scheduler_perf uses. */
const CALLERS = 30;
const ADMIN: UserInfo = { name: 'admin', groups: ['system:masters', 'system:authenticated'] };
const WITHIN_MS = 110_000;

/** What a pod of scheduler_perf asks for, if nothing else is said. */
export const DEFAULT_CONTAINERS: PodSpec['containers'] = containersAsking({ cpu: '100m', memory: '500Mi' });

export function containersAsking(amounts: Record<string, string>): PodSpec['containers'] {
  return [
    {
      name: 'pause',
      image: 'registry.example/pause:3.10',
      ports: [{ containerPort: 80 }],
      resources: { limits: amounts, requests: amounts },
    },
  ];
}

/** Of those that `makeNodes` makes. */
export const nodeName = (index: number): string => `scheduler-perf-${index}`;

export class SchedulingCluster {
  readonly client: Client;
  readonly #start: () => RunningScheduler;
  #scheduler: RunningScheduler | undefined;
  #bound = 0;
  #floors = 0;
  /** When each pod was sent, and how long it took until it was seen on a node. */
  readonly #sentMs = new Map<string, number>();
  #times: number[] = [];
  #wake: () => void = () => undefined;

  private constructor(client: Client, informers: SharedInformers, start: () => RunningScheduler) {
    this.client = client;
    this.#start = start;
    informers.for(Pod).onChange(({ key, now, before }) => {
      if (!now?.spec.nodeName || before?.spec.nodeName) return;
      this.#bound++;
      const sentMs = this.#sentMs.get(key);
      if (sentMs !== undefined) this.#times.push(performance.now() - sentMs);
      this.#wake();
    });
  }

  static async start(bench: Bench): Promise<SchedulingCluster> {
    const clock = systemClock;
    const random = systemRandom;
    const log = silentLog;
    const storage = await openLmdbStorage({ directory: join(await bench.folder(), 'store') });
    bench.atEnd(() => storage.close());
    const kinds = createKindRegistry(catalog, bodies);
    const api = createApiServer({
      storage,
      kinds,
      clock,
      random,
      log,
      tokenIssuer: tokenIssuer(),
      tokens: () => ({ authenticateToken: async () => undefined }),
      admission: (loopback, { rbac }) =>
        defaultAdmission({ rbac, loopback }).filter(({ name }) => !NOT_RUNNING.has(name)),
      serviceRanges: { clusterIps: ['10.96.0.0/16'], nodePorts: { from: 30_000, to: 32_767 } },
    });
    bench.atEnd(() => api.close());
    await api.ready();
    const transportFor = (user: UserInfo) => new InProcessTransport(api.pipeline, user);
    const client = new Client(transportFor(ADMIN));
    for (const name of ['default', 'kube-system', 'kube-public', 'sched-0', 'sched-1'])
      await client.create(Namespace, { metadata: { name } } as Draft<Namespace>);
    await ensureBootstrapObjects(client, []);
    const stopping = new AbortController();
    bench.atEnd(() => stopping.abort());
    const informers = new SharedInformers({ client, clock, random, log, signal: stopping.signal });
    const services = { transportFor, clock, random, log, informers, breathe };
    const cluster = new SchedulingCluster(client, informers, () => startScheduler(services));
    bench.atEnd(() => cluster.#scheduler?.stop());
    await informers.synced();
    return cluster;
  }

  startScheduler(): void {
    this.#scheduler = this.#start();
  }

  get stats(): SchedulerStats {
    return this.#running.stats;
  }

  get #running(): RunningScheduler {
    if (!this.#scheduler) throw new Error('the scheduler has not been started');
    return this.#scheduler;
  }

  makeNodes(count: number, label: (index: number) => Record<string, string> = () => ({}), from = 0): Promise<void> {
    return byCallers(CALLERS, count, (index) => {
      const name = nodeName(from + index);
      return this.makeNode(name, { ...label(index), 'kubernetes.io/hostname': name });
    });
  }

  makeNode(name: string, labels: Record<string, string>, capacity: Record<string, string> = {}): Promise<unknown> {
    const amounts = { pods: '110', cpu: '4', memory: '32Gi', ...capacity };
    const conditions = [{ type: 'Ready', status: 'True' }];
    const node = {
      metadata: { name, labels },
      spec: {},
      status: { capacity: amounts, allocatable: amounts, conditions },
    };
    return this.client.create(Node, node as unknown as Draft<Node>);
  }

  /** Resolves when all have been made; their names are PREFIX-0 … */
  async makePods({
    count,
    namespace = 'default',
    labels = {},
    spec,
    callers = CALLERS,
    nodeOf,
    prefix,
  }: PodsToMake): Promise<void> {
    const whole = { containers: DEFAULT_CONTAINERS, ...spec };
    await byCallers(callers, count, (index) => {
      const name = `${prefix}-${index}`;
      this.#sentMs.set(`${namespace}/${name}`, performance.now());
      const pod = {
        metadata: { namespace, name, labels },
        spec: { ...whole, ...(nodeOf && { nodeName: nodeOf(index) }) },
      };
      return this.client.create(Pod, pod as unknown as Draft<Pod>);
    });
  }

  /** Makes them, and resolves when so many more pods have a node. */
  async schedule(pods: PodsToMake): Promise<{ perSecond: number; times: number[] }> {
    this.#times = [];
    const wanted = this.#bound + pods.count;
    const began = performance.now();
    await this.makePods(pods);
    await this.reaches(() => this.#bound >= wanted);
    const perSecond = pods.count / ((performance.now() - began) / 1000);
    const times = this.#times;
    this.#sentMs.clear();
    return { perSecond, times };
  }

  /** Until the scheduler has nothing left to do, its Events included. */
  async rests(): Promise<void> {
    const deadline = performance.now() + WITHIN_MS;
    while (this.#running.busy > 0) {
      if (performance.now() > deadline) throw new Error('the scheduler does not come to rest');
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** Looked at after each pod that has got a node. */
  reaches(condition: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`only ${this.#bound} pods have a node`)), WITHIN_MS);
      this.#wake = () => {
        if (!condition()) return;
        clearTimeout(late);
        this.#wake = () => undefined;
        resolve();
      };
      this.#wake();
    });
  }

  /** What the API alone takes, without a scheduler: µs for each of the three writes, by 64 callers. */
  async costOfWrites(count: number, spec?: PodSpec): Promise<{ create: number; bind: number; event: number }> {
    const prefix = `floor-${this.#floors++}`;
    const name = (index: number) => `${prefix}-${index}`;
    const create = await microsecondsEach(count, () =>
      this.makePods({ count, prefix, spec: { ...spec, schedulerName: 'nobody' }, callers: CALLERS }),
    );
    this.#sentMs.clear();
    const bind = await microsecondsEach(count, () =>
      byCallers(64, count, (index) =>
        this.client.createSubresource(
          Pod,
          { name: name(index), namespace: 'default', subresource: 'binding' },
          {
            apiVersion: 'v1',
            kind: 'Binding',
            metadata: { name: name(index), namespace: 'default' },
            target: { kind: 'Node', name: 'floor' },
          },
        ),
      ),
    );
    const event = await microsecondsEach(count, () =>
      byCallers(64, count, (index) => this.client.create(Event, scheduledEvent(name(index)))),
    );
    await byCallers(64, count, (index) =>
      this.client.delete(Pod, { name: name(index), namespace: 'default' }, { gracePeriodSeconds: 0 }),
    );
    return { create, bind, event };
  }
}

const scheduledEvent = (name: string): Draft<Event> =>
  ({
    metadata: { name: `${name}.18a0b1c2d3e4f5a6`, namespace: 'default' },
    involvedObject: { apiVersion: 'v1', kind: 'Pod', name, namespace: 'default' },
    reason: 'Scheduled',
    message: `Successfully assigned default/${name} to floor`,
    source: { component: 'default-scheduler' },
    firstTimestamp: '2026-01-01T00:00:00Z',
    lastTimestamp: '2026-01-01T00:00:00Z',
    count: 1,
    type: 'Normal',
  }) as unknown as Draft<Event>;

const breathe = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function byCallers(callers: number, count: number, one: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const caller = async () => {
    while (next < count) await one(next++);
  };
  await Promise.all(Array.from({ length: callers }, caller));
}

async function microsecondsEach(count: number, act: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await act();
  return ((performance.now() - began) * 1000) / count;
}

function tokenIssuer(): TokenIssuer {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const issuer = 'https://kubernetes.default.svc';
  return new TokenIssuer({
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    issuer,
    jwksUri: `${issuer}/openid/v1/jwks`,
    clock: systemClock,
  });
}
