/**
 * The processes that carry the Ingress's traffic. They share their listening sockets, so that one can go and another take its
 * place: the kernel shares connections out, without a hop through this process. Each knows the whole table; what changes is
 * sent to all.
 */
import { type ChildProcess, fork, type SendHandle } from 'node:child_process';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import { keepsNothing, type SocketHandle, type SocketKeeper } from '#base/socket-keeper.ts';
import { HTTP_PORT, HTTPS_PORT, type TableChange } from './ingress-server.ts';
import { type ListeningAt, ListeningSockets } from './listening-sockets.ts';
import { LimitAccount } from './shared-limits.ts';
import { addCounts, type TrafficCounts } from './traffic-metrics.ts';
import { LAST_COUNT, type Message, type Report } from './worker-messages.ts';

export interface IngressWorkersOptions {
  /** The script and its arguments that run `runIngressWorker` in a process of its own. */
  program: readonly string[];
  count: number;
  addresses: readonly string[];
  /** Absent: the ports are closed with this process and those that it has started. */
  sockets?: SocketKeeper;
  clock: Clock;
  log: Log;
  signal: AbortSignal;
}

/** Until the next one takes the place of one that ended as soon as it began, or could not be started; after others it begins at once. */
const RESTART_MS = 1_000;
const LONGEST_RESTART_MS = 8_000;
const SETTLED_MS = 10_000;
const COUNT_WITHIN_MS = 2_000;
/** A port that is wanted again by then was never closed: the processes do not hear of it all at once. */
const CLOSE_PORT_AFTER_MS = 1_000;

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
  readonly #limits: LimitAccount<ChildProcess>;
  readonly #running = new Set<ChildProcess>();
  /** Those that said that they hear: what one is sent before is lost. */
  readonly #listening = new Set<ChildProcess>();
  readonly #sockets: ListeningSockets;

  constructor(options: IngressWorkersOptions) {
    this.#options = options;
    this.#limits = new LimitAccount(options.clock);
    this.#sockets = new ListeningSockets(options.sockets ?? keepsNothing);
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
    for (const [port, listeners] of change.ports ?? []) if (!listeners) this.#closeSoon(port);
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
  #countsOf(worker: ChildProcess): Promise<TrafficCounts> {
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

  /** @param failures of those that had its place before, one upon another. */
  #start(failures = 0): void {
    const { clock, log } = this.#options;
    const [program = '', ...args] = this.#options.program;
    const startedMs = clock.monotonicMs();
    const again = (why: Record<string, unknown>) => this.#startAgain({ startedMs, failures }, why);
    let worker: ChildProcess;
    try {
      worker = fork(program, args, { serialization: 'advanced' });
    } catch (error) {
      again({ error: String(error) });
      return;
    }
    this.#running.add(worker);
    worker.on('message', (report: Report, given?: Given) => {
      close(given);
      this.#heard(worker, report);
    });
    worker.on('error', (error) => {
      if (worker.pid) return log.error('a process of the Ingress has failed', { error: String(error) });
      this.#running.delete(worker);
      again({ error: String(error) }); // there is none that could end
    });
    worker.once('exit', (code, killedBy) => {
      this.#running.delete(worker);
      this.#listening.delete(worker);
      this.#limits.gone(worker);
      again({ code, killedBy });
    });
  }

  #startAgain({ startedMs, failures }: { startedMs: number; failures: number }, why: Record<string, unknown>): void {
    const { clock, log, signal } = this.#options;
    if (signal.aborted) return;
    const isSettled = clock.monotonicMs() - startedMs >= SETTLED_MS;
    const waitMs = isSettled ? 0 : Math.min(LONGEST_RESTART_MS, RESTART_MS * 2 ** failures);
    log.error('a process of the Ingress ended; starting another', { ...why, waitMs });
    clock.timer(waitMs, () => {
      if (!signal.aborted) this.#start(isSettled ? 0 : failures + 1);
    });
  }

  #heard(worker: ChildProcess, report: Report): void {
    const { addresses, log } = this.#options;
    const { hears, open, complaint, access = [], left, counted, counts, limit } = report;
    const mayBegin = limit && this.#limits.hear(worker, limit);
    if (mayBegin) send(worker, { mayBegin });
    if (complaint) log.warn('a process of the Ingress complains', { reason: complaint });
    for (const line of access) log.info('request', { ...line });
    if (left) log.warn('requests that were not written down', { count: left });
    if (counted === LAST_COUNT && counts) addCounts(this.#ofEnded, counts);
    if (open) this.#giveSocket(worker, open);
    if (!hears) return;
    this.#listening.add(worker);
    send(worker, { change: this.#all() });
    send(worker, { listen: addresses });
  }

  #giveSocket(worker: ChildProcess, opened: ListeningAt): void {
    try {
      if (!this.#isWanted(opened)) throw new Error('nobody is to listen there');
      send(worker, { opened }, this.#sockets.at(opened));
    } catch (error) {
      send(worker, { opened, refused: String(error) });
    }
  }

  /** Who asks late would open what is closed already, and one that somebody has taken over would open anything. */
  #isWanted({ host, port }: ListeningAt): boolean {
    return this.#options.addresses.includes(host) && this.#isOpen(port);
  }

  /** Two are, whatever Gateways say: Ingresses have them. */
  #isOpen(port: number): boolean {
    return port === HTTP_PORT || port === HTTPS_PORT || this.#known.ports.has(port);
  }

  #closeSoon(port: number): void {
    this.#options.clock.timer(CLOSE_PORT_AFTER_MS, () => {
      if (!this.#isOpen(port)) this.#sockets.close(port);
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
    for (const worker of this.#running) worker.kill('SIGTERM');
  }
}

type Given = { destroy(): void } | { close(): void };

/** Nobody asks these processes for sockets: one that somebody has taken over would use up this one's files. */
function close(given: Given | undefined): void {
  if (!given) return;
  if ('destroy' in given) given.destroy();
  else given.close();
}

/** One that is just ending hears nothing: its successor is told everything. */
const send = (worker: ChildProcess, message: Message, socket?: SocketHandle): void => {
  if (worker.connected) worker.send(message, socket as SendHandle | undefined, {}, () => undefined);
};
