/**
 * One process that is to run: started, watched, and started again with back-off when it ends. It outlives its keeper; a new
 * keeper adopts it, unless it was started from another build or with other arguments.
 */
import { statSync } from 'node:fs';
import type { Clock, Timer } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { ClusterPaths } from '#node/machine/cluster-dir.ts';
import { isAlive, type ProcessRecord, recordOf } from '#node/machine/process-record.ts';
import { spawnDetached } from '#node/machine/spawn-detached.ts';
import { endProcess, findStarted, forgetStarted, rememberStarted } from '#node/machine/started-processes.ts';
import { KeptSockets } from './kept-sockets.ts';

export interface KeptProcessOptions {
  /** `control-plane`, `node1/kubelet`: unique within the cluster. */
  name: string;
  /** What runs. By it a process of a former keeper is known as the same. */
  argv: readonly string[];
  /** The line that puts it where it belongs. Asked anew for each start: a node's namespaces may be held by another process by then. */
  enter?: (argv: readonly string[]) => readonly string[];
  /** For a process that others wait for: what comes in while none runs is not refused. */
  keepsSockets?: boolean;
  logFile: string;
  paths: ClusterPaths;
  clock: Clock;
  log: Log;
  onChange: () => void;
}

export type ProcessState = 'starting' | 'running' | 'backing off' | 'stopped';

const LOOK_EVERY_MS = 500;
/** Before the second of the starts that follow one upon another: the first is made at once, for somebody waits for it. */
const FIRST_BACK_OFF_MS = 200;
const LONGEST_BACK_OFF_MS = 30_000;
/** Who waits longer than this for the next one is rather refused. */
const SOCKETS_WAIT_MS = 5_000;
/** After this long a process counts as one that works, and its next failure as a first one. */
const SETTLED_AFTER_MS = 10_000;

export class KeptProcess {
  readonly #options: KeptProcessOptions;
  readonly #sockets: KeptSockets | undefined;
  #record: ProcessRecord | undefined;
  #state: ProcessState = 'stopped';
  #restarts = 0;
  #failures = 0;
  #startedMs = 0;
  #timer: Timer | undefined;
  /** A start that is under way; nobody but its caller hears how it ends. */
  #spawning: Promise<unknown> = Promise.resolve();

  constructor(options: KeptProcessOptions) {
    this.#options = options;
    this.#sockets = options.keepsSockets ? new KeptSockets(options.log) : undefined;
  }

  get status(): { name: string; state: ProcessState; pid?: number; restarts: number } {
    const { name } = this.#options;
    return { name, state: this.#state, ...(this.#record && { pid: this.#record.pid }), restarts: this.#restarts };
  }

  /** Adopts the process of a former keeper, or starts one. */
  async start(): Promise<void> {
    const { paths, name, log, argv } = this.#options;
    const former = await findStarted(paths, name);
    if (former && former.build === buildOf(argv) && sameLine(former.argv, argv)) {
      log.info('adopted a running process', { process: name, pid: former.record.pid });
      return this.#watch(former.record);
    }
    if (former) await endProcess(former.record, { clock: this.#options.clock, graceMs: 5_000 });
    await this.#spawn();
  }

  async stop(graceMs: number): Promise<void> {
    this.#timer?.cancel();
    await this.#spawning; // else it would bring up what nobody wants any more
    this.#timer?.cancel();
    this.#setState('stopped');
    const record = this.#record;
    this.#record = undefined;
    this.#sockets?.close();
    if (record) await endProcess(record, { clock: this.#options.clock, graceMs });
    await forgetStarted(this.#options.paths, this.#options.name);
  }

  #spawn(): Promise<void> {
    const spawned = this.#spawnNow();
    this.#spawning = spawned.catch(() => undefined);
    return spawned;
  }

  async #spawnNow(): Promise<void> {
    const { paths, name, logFile, log, argv, enter, clock } = this.#options;
    this.#startedMs = clock.monotonicMs(); // one that ends before it is watched has not worked, either
    this.#setState('starting');
    const hasChannel = this.#sockets !== undefined;
    const child = await spawnDetached({ argv: enter ? enter(argv) : argv, logFile, hasChannel });
    this.#sockets?.serve(child);
    const record = recordOf(child.pid);
    // Told at once; one that a former keeper started is no child of this process, and only looks tell of its end.
    child.once('exit', (code, signal) => {
      log.warn('a process ended', { process: name, pid: child.pid, code, signal });
      if (this.#record?.pid === child.pid) this.#ended();
    });
    if (!record) return this.#ended();
    await rememberStarted(paths, name, { record, argv, build: buildOf(argv) });
    log.info('started a process', { process: name, pid: child.pid });
    if (isAlive(record)) this.#watch(record);
    else this.#ended();
  }

  #watch(record: ProcessRecord): void {
    this.#record = record;
    this.#startedMs = this.#options.clock.monotonicMs();
    this.#setState('running');
    this.#look();
  }

  #look(): void {
    this.#timer?.cancel();
    this.#timer = this.#options.clock.timer(LOOK_EVERY_MS, () =>
      isAlive(this.#record) ? this.#look() : this.#ended(),
    );
  }

  #ended(): void {
    if (this.#state === 'stopped' || this.#state === 'backing off') return;
    const { clock, log, name } = this.#options;
    this.#record = undefined;
    if (clock.monotonicMs() - this.#startedMs > SETTLED_AFTER_MS) this.#failures = 0;
    const waitMs = backOffMs(this.#failures++);
    if (waitMs > SOCKETS_WAIT_MS) this.#sockets?.close();
    this.#restarts++;
    this.#setState('backing off');
    this.#timer?.cancel();
    this.#timer = clock.timer(waitMs, () => {
      this.#spawn().catch((error: unknown) => {
        log.error('a process cannot be started', { process: name, error });
        this.#setState('starting');
        this.#ended();
      });
    });
  }

  #setState(state: ProcessState): void {
    this.#state = state;
    this.#options.onChange();
  }
}

/** @param failures that went before the last one. */
const backOffMs = (failures: number): number =>
  failures === 0 ? 0 : Math.min(LONGEST_BACK_OFF_MS, FIRST_BACK_OFF_MS * 2 ** (failures - 1));

const sameLine = (a: readonly string[], b: readonly string[]): boolean => JSON.stringify(a) === JSON.stringify(b);

/** Changes when Kedge is built anew: when its own file, among the arguments, is another. */
function buildOf(argv: readonly string[]): string {
  const program = argv.find((argument) => /\.m?[jt]s$/.test(argument));
  const file = program && statSync(program, { throwIfNoEntry: false });
  return file ? `${file.size} ${file.mtimeMs}` : '';
}
