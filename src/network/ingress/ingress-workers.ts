/**
 * The processes that carry the Ingress's traffic. They share their listening sockets, so that one can go and another take its
 * place. Each knows the whole table; what changes is sent to all. Source: Node.js documentation, "Cluster".
 */
import cluster, { type Worker } from 'node:cluster';
import { randomUUID } from 'node:crypto';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Random } from '#base/random.ts';
import { IngressServer, type TableChange } from './ingress-server.ts';

export interface IngressWorkersOptions {
  /** The script and its arguments that run `runIngressWorker` in a process of its own. */
  program: readonly string[];
  count: number;
  addresses: readonly string[];
  clock: Clock;
  log: Log;
  signal: AbortSignal;
}

type Message = { listen: readonly string[] } | { change: TableChange };

interface Report {
  hears?: true;
  complaint?: string;
}

const HTTP_PORT = 80;
const HTTPS_PORT = 443;
const RESTART_MS = 1_000;
/** What is under way when a process is told to end has so long. */
const DRAIN_MS = 10_000;

export class IngressWorkers {
  readonly #options: IngressWorkersOptions;
  /** All that was told, for those that start later. */
  readonly #known = {
    hosts: new Map<string, unknown>(),
    endpoints: new Map<string, unknown>(),
    certificates: new Map<string, unknown>(),
  };
  #fallback: TableChange['fallbackCertificate'];
  /** Those that said that they hear: what one is sent before is lost. */
  readonly #listening = new Set<Worker>();

  constructor(options: IngressWorkersOptions) {
    this.#options = options;
    const [exec = '', ...args] = options.program;
    cluster.schedulingPolicy = cluster.SCHED_NONE; // the kernel shares connections out: no hop through this process
    cluster.setupPrimary({ exec, args, serialization: 'advanced' });
    for (let i = 0; i < options.count; i++) this.#start();
    options.signal.addEventListener('abort', () => this.#end(), { once: true });
  }

  tell(change: TableChange): void {
    for (const part of ['hosts', 'endpoints', 'certificates'] as const) {
      for (const [key, value] of change[part] ?? []) {
        const isGone = value === null || (Array.isArray(value) && value.length === 0);
        if (isGone) this.#known[part].delete(key);
        else this.#known[part].set(key, value);
      }
    }
    this.#fallback = change.fallbackCertificate ?? this.#fallback;
    for (const worker of this.#listening) send(worker, { change });
  }

  #start(): void {
    const { addresses, clock, log, signal } = this.#options;
    const worker = cluster.fork();
    worker.on('message', ({ hears, complaint }: Report) => {
      if (complaint) log.warn('a process of the Ingress complains', { reason: complaint });
      if (!hears) return;
      this.#listening.add(worker);
      send(worker, { change: this.#all() });
      send(worker, { listen: addresses });
    });
    worker.on('error', (error) => log.error('a process of the Ingress has failed', { error: String(error) }));
    worker.once('exit', (code, killedBy) => {
      this.#listening.delete(worker);
      if (signal.aborted) return;
      log.error('a process of the Ingress ended; starting another', { code, killedBy });
      clock.timer(RESTART_MS, () => {
        if (!signal.aborted) this.#start();
      });
    });
  }

  #all(): TableChange {
    const { hosts, endpoints, certificates } = this.#known;
    const all = { hosts: [...hosts], endpoints: [...endpoints], certificates: [...certificates] } as TableChange;
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

/** Runs until the process that started it goes or says so. */
export async function runIngressWorker(services: { random: Random; clock: Clock }): Promise<void> {
  const server = new IngressServer({
    httpPort: HTTP_PORT,
    httpsPort: HTTPS_PORT,
    newRequestId: () => randomUUID().replaceAll('-', ''),
    ...services,
  });
  const report = (what: Report) => process.send?.(what);
  process.on('message', (message: Message) => {
    if ('change' in message) for (const complaint of server.change(message.change)) report({ complaint });
    else
      server.listen(message.listen).catch((error: unknown) => {
        report({ complaint: `cannot listen: ${error}` });
        setImmediate(() => process.exit(1)); // started anew, it tries again
      });
  });
  report({ hears: true });
  await new Promise<void>((resolve) => {
    process.once('disconnect', () => resolve());
    process.once('SIGTERM', () => resolve());
  });
  await server.drain(DRAIN_MS);
  process.exit(0);
}
