/**
 * The processes that carry the Ingress's traffic. They share their listening sockets, so that one can go and another take its
 * place. Each knows the whole table; what changes is sent to all. Source: Node.js documentation, "Cluster".
 */
import cluster, { type Worker } from 'node:cluster';
import { randomUUID } from 'node:crypto';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
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

const HTTP_PORT = 80;
const HTTPS_PORT = 443;
const RESTART_MS = 1_000;

export class IngressWorkers {
  readonly #options: IngressWorkersOptions;
  /** All that was told, for those that start later. */
  readonly #known = {
    hosts: new Map<string, unknown>(),
    endpoints: new Map<string, unknown>(),
    certificates: new Map<string, unknown>(),
  };
  #fallback: TableChange['fallbackCertificate'];

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
    for (const worker of workers()) send(worker, { change });
  }

  #start(): void {
    const { addresses, clock, log, signal } = this.#options;
    const worker = cluster.fork();
    worker.once('online', () => {
      const { hosts, endpoints, certificates } = this.#known;
      const all = { hosts: [...hosts], endpoints: [...endpoints], certificates: [...certificates] } as TableChange;
      send(worker, { change: { ...all, ...(this.#fallback && { fallbackCertificate: this.#fallback }) } });
      send(worker, { listen: addresses });
    });
    worker.on('message', ({ complaint }: { complaint?: string }) => {
      if (complaint) log.warn('a certificate is no good', { reason: complaint });
    });
    worker.once('exit', (code, killedBy) => {
      if (signal.aborted) return;
      log.error('a process of the Ingress ended; starting another', { code, killedBy });
      clock.timer(RESTART_MS, () => {
        if (!signal.aborted) this.#start();
      });
    });
  }

  #end(): void {
    for (const worker of workers()) worker.kill('SIGTERM');
  }
}

const workers = (): Worker[] => Object.values(cluster.workers ?? {}).flatMap((worker) => worker ?? []);

/** One that is just ending hears nothing: its successor is told everything. */
const send = (worker: Worker, message: Message): void => {
  if (worker.isConnected()) worker.send(message, () => undefined);
};

/** Runs until the process that started it goes or says so. */
export async function runIngressWorker(): Promise<void> {
  let server: IngressServer | undefined;
  let early: TableChange[] = [];
  const apply = (change: TableChange) => {
    for (const complaint of server?.change(change) ?? []) process.send?.({ complaint });
  };
  process.on('message', (message: Message) => {
    if ('change' in message) {
      if (server) apply(message.change);
      else early.push(message.change);
      return;
    }
    server = new IngressServer({
      addresses: message.listen,
      httpPort: HTTP_PORT,
      httpsPort: HTTPS_PORT,
      newRequestId: () => randomUUID().replaceAll('-', ''),
    });
    for (const change of early) apply(change);
    early = [];
    void server.listen();
  });
  await new Promise<void>((resolve) => {
    process.once('disconnect', () => resolve());
    process.once('SIGTERM', () => resolve());
  });
  process.exit(0);
}
