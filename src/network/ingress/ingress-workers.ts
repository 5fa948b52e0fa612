/**
 * The processes that carry the Ingress's traffic. They share their listening sockets, so that one can go and another take its
 * place. Each knows the whole table; what changes is sent to all. Source: Node.js documentation, "Cluster".
 */
import cluster, { type Worker } from 'node:cluster';
import { randomUUID } from 'node:crypto';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Random } from '#base/random.ts';
import { type AccessLine, AccessLog } from './access-log.ts';
import { HTTP_PORT, HTTPS_PORT, IngressServer, type TableChange } from './ingress-server.ts';
import { LimitAccount, type LimitAnswer, type LimitQuestion, SharedLimits } from './shared-limits.ts';
import { addCounts, type TrafficCounts, TrafficMetrics } from './traffic-metrics.ts';

export interface IngressWorkersOptions {
  /** The script and its arguments that run `runIngressWorker` in a process of its own. */
  program: readonly string[];
  count: number;
  addresses: readonly string[];
  clock: Clock;
  log: Log;
  signal: AbortSignal;
}

type Message = { listen: readonly string[] } | { change: TableChange } | { count: number } | { mayBegin: LimitAnswer };

interface Report {
  hears?: true;
  complaint?: string;
  access?: AccessLine[];
  /** Lines that were left out of `access`. */
  left?: number;
  /** The answer to `count`. */
  counted?: number;
  counts?: TrafficCounts;
  limit?: LimitQuestion;
}

/** Until the next one takes the place of one that ended as soon as it began; after others it begins at once. */
const RESTART_MS = 1_000;
const SETTLED_MS = 10_000;
const COUNT_WITHIN_MS = 2_000;
/** Of a process that ends: nobody asked. */
const LAST_COUNT = 0;
/** What is under way when a process is told to end has so long. */
const DRAIN_MS = 10_000;

export class IngressWorkers {
  readonly #options: IngressWorkersOptions;
  /** All that was told, for those that start later. */
  readonly #known = {
    hosts: new Map<string, unknown>(),
    endpoints: new Map<string, unknown>(),
    certificates: new Map<string, unknown>(),
    ports: new Map<number, unknown>(),
    users: new Map<string, unknown>(),
  };
  #fallback: TableChange['fallbackCertificate'];
  readonly #ofEnded: TrafficCounts = new Map();
  #lastCount = 0;
  readonly #limits: LimitAccount<Worker>;
  /** Those that said that they hear: what one is sent before is lost. */
  readonly #listening = new Set<Worker>();

  constructor(options: IngressWorkersOptions) {
    this.#options = options;
    this.#limits = new LimitAccount(options.clock);
    const [exec = '', ...args] = options.program;
    cluster.schedulingPolicy = cluster.SCHED_NONE; // the kernel shares connections out: no hop through this process
    cluster.setupPrimary({ exec, args, serialization: 'advanced' });
    for (let i = 0; i < options.count; i++) this.#start();
    options.signal.addEventListener('abort', () => this.#end(), { once: true });
  }

  tell(change: TableChange): void {
    for (const part of ['hosts', 'ports', 'endpoints', 'certificates', 'users'] as const) {
      const known = this.#known[part] as Map<string | number, unknown>;
      for (const [key, value] of change[part] ?? []) {
        const isGone = value === null || (part === 'endpoints' && Array.isArray(value) && value.length === 0);
        if (isGone) known.delete(key);
        else known.set(key, value);
      }
    }
    this.#fallback = change.fallbackCertificate ?? this.#fallback;
    for (const worker of this.#listening) send(worker, { change });
  }

  /** Of all processes since their start, those that have ended included. */
  async counts(): Promise<TrafficCounts> {
    const all: TrafficCounts = new Map();
    addCounts(all, this.#ofEnded);
    for (const each of await Promise.all([...this.#listening].map((worker) => this.#countsOf(worker))))
      addCounts(all, each);
    return all;
  }

  /** Empty for one that does not answer in time. */
  #countsOf(worker: Worker): Promise<TrafficCounts> {
    const id = ++this.#lastCount;
    return new Promise((resolve) => {
      const done = (counts: TrafficCounts) => {
        timer.cancel();
        worker.off('message', heard);
        resolve(counts);
      };
      const heard = ({ counted, counts }: Report) => {
        if (counted === id && counts) done(counts);
      };
      const timer = this.#options.clock.timer(COUNT_WITHIN_MS, () => done(new Map()));
      worker.on('message', heard);
      send(worker, { count: id });
    });
  }

  #start(): void {
    const { addresses, clock, log, signal } = this.#options;
    const worker = cluster.fork();
    const startedMs = clock.monotonicMs();
    worker.on('message', ({ hears, complaint, access = [], left, counted, counts, limit }: Report) => {
      const mayBegin = limit && this.#limits.hear(worker, limit);
      if (mayBegin) send(worker, { mayBegin });
      if (complaint) log.warn('a process of the Ingress complains', { reason: complaint });
      for (const line of access) log.info('request', { ...line });
      if (left) log.warn('requests that were not written down', { count: left });
      if (counted === LAST_COUNT && counts) addCounts(this.#ofEnded, counts);
      if (!hears) return;
      this.#listening.add(worker);
      send(worker, { change: this.#all() });
      send(worker, { listen: addresses });
    });
    worker.on('error', (error) => log.error('a process of the Ingress has failed', { error: String(error) }));
    worker.once('exit', (code, killedBy) => {
      this.#listening.delete(worker);
      this.#limits.gone(worker);
      if (signal.aborted) return;
      log.error('a process of the Ingress ended; starting another', { code, killedBy });
      clock.timer(clock.monotonicMs() - startedMs < SETTLED_MS ? RESTART_MS : 0, () => {
        if (!signal.aborted) this.#start();
      });
    });
  }

  #all(): TableChange {
    const { hosts, ports, endpoints, certificates, users } = this.#known;
    const all = {
      hosts: [...hosts],
      ports: [...ports],
      endpoints: [...endpoints],
      certificates: [...certificates],
      users: [...users],
    } as TableChange;
    return { ...all, ...(this.#fallback && { fallbackCertificate: this.#fallback }) };
  }

  #end(): void {
    for (const worker of Object.values(cluster.workers ?? {})) worker?.kill('SIGTERM');
  }
}

/** One that is just ending hears nothing: its successor is told everything. */
const send = (worker: Worker, message: Message): void => {
  if (worker.isConnected()) worker.send(message, () => undefined);
};

/** Who a process is that carries traffic, once it has what it needs root for. */
const NOBODY = 65_534;

/** Runs until the process that started it goes or says so, and then until what is under way has ended. */
export async function runIngressWorker(services: { random: Random; clock: Clock }): Promise<void> {
  const { clock } = services;
  // Without the last argument a report that nobody hears any more would end this process.
  const report = (what: Report) => process.send?.(what, undefined, undefined, () => undefined);
  const { worker } = cluster;
  // Node.js would end it the moment that it is left alone, and with it every request that it carries.
  worker?.once('disconnect', () => {
    worker.exitedAfterDisconnect = true;
  });
  dropPrivileges();
  const metrics = new TrafficMetrics();
  const access = new AccessLog(clock, (lines, left) => report({ access: lines, left }));
  const limits = new SharedLimits(clock, (limit) => report({ limit }));
  const server = new IngressServer({
    limits,
    httpPort: HTTP_PORT,
    httpsPort: HTTPS_PORT,
    newRequestId: () => randomUUID().replaceAll('-', ''),
    ...services,
    record: {
      ended(what) {
        metrics.ended(what);
        access.ended(what);
      },
    },
    onComplaint: (complaint) => report({ complaint }),
  });
  process.on('message', (message: Message) => {
    if ('change' in message) for (const complaint of changed(server, message.change)) report({ complaint });
    else if ('mayBegin' in message) limits.answered(message.mayBegin);
    else if ('count' in message) report({ counted: message.count, counts: metrics.counts });
    else
      server.listen(message.listen).catch((error: unknown) => {
        report({ complaint: `cannot listen: ${error}` });
        setImmediate(() => process.exit(1)); // started anew, it tries again
      });
  });
  report({ hears: true });
  await new Promise<void>((resolve) => {
    process.once('disconnect', resolve);
    process.once('SIGTERM', resolve);
  });
  process.removeAllListeners('SIGTERM'); // told once more, it ends at once
  await server.drain(DRAIN_MS);
  access.flush();
  report({ counted: LAST_COUNT, counts: metrics.counts });
  process.exit(0);
}

/** Its successor would be told the same: what cannot be taken over is told, and traffic goes on. */
function changed(server: IngressServer, change: TableChange): string[] {
  try {
    return server.change(change);
  } catch (error) {
    return [`a change was not taken over whole: ${error instanceof Error ? error.stack : error}`];
  }
}

/** Ports are opened by the process that started this one; what comes in over them meets somebody who may do nothing else. */
function dropPrivileges(): void {
  if (process.getuid?.() !== 0) return;
  process.setgroups?.([]);
  process.setgid?.(NOBODY);
  process.setuid?.(NOBODY);
}
