/**
 * Tells at once when rules go from the kernel, whoever took them: a child that listens to nftables. Nobody may rely on
 * it alone, for the kernel does not wait for listeners: the slow look of the apply loop stays. Source: nft(8), "MONITOR".
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Clock } from '#base/clock.ts';
import { sleep } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import { endWith } from './end-with.ts';

/**
 * Takes no more than this, in bytes, and dies with the process that started it. nft 1.0.6 reads all elements when it starts and
 * keeps what it hears of others, about 1.7 KB each, for as long as it runs: when there is no room left it ends, and is started
 * anew. Among more elements than there is room for (some 30,000) the slow look has to do.
 */
const MOST_MEMORY = 64 << 20;
export const MONITOR: readonly string[] = [
  ...['setpriv', '--pdeathsig', 'KILL', 'prlimit', `--as=${MOST_MEMORY}`],
  ...['nft', 'monitor', 'destroy', 'rules'],
];
const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 600_000;
/** One that lived so long was well. */
const WELL_MS = 60_000;
const LONGEST_LINE = 4_096;

export interface RuleWatchOptions {
  clock: Clock;
  log: Log;
  signal: AbortSignal;
  /** For tests: what is run instead, as an argument array. */
  command?: readonly string[];
}

export class RuleWatch {
  readonly #options: RuleWatchOptions;
  readonly #listeners = new Map<string, (() => void)[]>();
  #isRunning = false;

  constructor(options: RuleWatchOptions) {
    this.#options = options;
  }

  /** Calls after a rule of one of these chains (`ip kube-proxy prerouting`) went, and whenever one may have gone unheard. */
  onRemoval(chains: readonly string[], listener: () => void): void {
    for (const chain of chains) this.#listeners.set(chain, [...(this.#listeners.get(chain) ?? []), listener]);
    if (this.#isRunning) return;
    this.#isRunning = true;
    void this.#run();
  }

  async #run(): Promise<void> {
    const { clock, log, signal } = this.#options;
    for (let retryMs = FIRST_RETRY_MS; !signal.aborted; ) {
      const startedMs = clock.monotonicMs();
      const reason = await this.#listen();
      if (signal.aborted) return;
      if (clock.monotonicMs() - startedMs >= WELL_MS) retryMs = FIRST_RETRY_MS;
      log.warn('nobody listens for rules that others remove until nft monitor is started again', { reason, retryMs });
      await sleep(clock, retryMs, signal).catch(() => undefined); // aborted: the loop ends
      retryMs = Math.min(retryMs * 2, LONGEST_RETRY_MS);
      this.#tellAll();
    }
  }

  /** Resolves with the reason why it ended. */
  #listen(): Promise<string> {
    const [program = '', ...args] = this.#options.command ?? MONITOR;
    return new Promise((resolve) => {
      const { signal } = this.#options;
      // Of some distributions all languages are mapped at once, which is more than there is room for.
      const env = { ...process.env, LC_ALL: 'C' };
      // Where too many files are open it has no streams.
      const child: ChildProcess = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
      const forget = endWith(signal, child);
      let complaint = '';
      child.stderr?.setEncoding('utf8').on('data', (text: string) => {
        complaint = (complaint + text).slice(-200);
      });
      let rest = '';
      child.stdout?.setEncoding('utf8').on('data', (text: string) => {
        const lines = (rest + text).split('\n');
        rest = (lines.pop() ?? '').slice(0, LONGEST_LINE);
        this.#hear(lines);
      });
      const ended = (reason: string) => {
        forget();
        resolve(reason);
      };
      child.on('error', ({ message }) => ended(message));
      child.on('close', (code, by) => ended(complaint.trim() || `it ended with ${by ?? code}`));
    });
  }

  #hear(lines: readonly string[]): void {
    const chains = new Set<string>();
    for (const line of lines) {
      // "# ERROR: We lost some netlink events!"
      if (line.startsWith('# ERROR')) this.#tellAll();
      const [, chain] = /^delete rule (\S+ \S+ \S+) /.exec(line) ?? [];
      if (chain) chains.add(chain);
    }
    for (const chain of chains) for (const listener of this.#listeners.get(chain) ?? []) listener();
  }

  #tellAll(): void {
    for (const listener of new Set([...this.#listeners.values()].flat())) listener();
  }
}
