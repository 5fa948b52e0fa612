/**
 * One nft that stays, and takes transactions one after the other. To start one for each costs ten times what it does: its libraries
 * are loaded, and the kernel lets nobody end who took something away before no packet can meet that any more. Source: nft(8),
 * "--interactive".
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Clock, Timer } from '#base/clock.ts';
import { NFT, NftKilled, NftRefused, type RunNft, runNft } from './nft.ts';

/** It reads a character at a time: what is longer is done sooner by an nft of its own. */
const LONGEST_LINE = 8_192;
/** What cannot stand among others on one line: a comment, the end of a line, and what makes the next a part of it. */
const NOT_ON_A_LINE = /[#\\\n]/;
/** There may be none that can wait. */
const MOST_VAIN_STARTS = 3;
/** After this it is killed. */
const LONGEST_MS = 30_000;
const MOST_COMPLAINT = 4_096;
/** It keeps each line for as long as it runs, as a person could want to go back to one. */
const MOST_SAID = 4 << 20;

export interface WaitingNftOptions {
  clock: Clock;
  /** When it aborts, the nft that waits ends, after what it was given. */
  signal: AbortSignal;
  /** For tests: what is run instead, as an argument array. */
  command?: readonly string[];
  /** For tests: in characters, after which it makes room for another. */
  mostSaid?: number;
}

export class WaitingNft {
  readonly #options: Required<WaitingNftOptions>;
  #isStarted = false;
  #waiting: Session | undefined;
  #vainStarts = 0;

  constructor(options: WaitingNftOptions) {
    this.#options = { command: NFT, mostSaid: MOST_SAID, ...options };
  }

  /** Until one waits, and for much at once, an nft is started. */
  readonly run: RunNft = async (commands) => {
    const line = commands.join('; ');
    if (this.#waiting && line.length <= LONGEST_LINE && !NOT_ON_A_LINE.test(line))
      return this.#put(line, this.#waiting);
    this.#start();
    await runNft(commands, this.#options);
  };

  async #put(line: string, session: Session): Promise<void> {
    const complaint = await session.complaintAbout(line);
    // Were what it complains of the fault of its waiting, the next that is tried would fail, too.
    if (complaint || session.said > this.#options.mostSaid) {
      this.#waiting = undefined;
      session.end();
    }
    if (complaint) throw new NftRefused(complaint.slice(0, MOST_COMPLAINT));
  }

  #start(): void {
    if (this.#isStarted || this.#options.signal.aborted || this.#vainStarts >= MOST_VAIN_STARTS) return;
    this.#vainStarts++;
    try {
      void this.#practise(new Session(this.#options));
    } catch {
      // Why no process can be started, the nft that is started for the transaction tells.
    }
  }

  async #practise(session: Session): Promise<void> {
    const { signal } = this.#options;
    this.#isStarted = true;
    const end = () => {
      this.#waiting = undefined;
      session.end();
    };
    signal.addEventListener('abort', end, { once: true });
    void session.ended.then(() => {
      signal.removeEventListener('abort', end);
      this.#isStarted = false;
      this.#waiting = undefined;
    });
    try {
      await session.complaintAbout(''); // whatever it says of where it is run
      if (await session.complaintAbout('')) return session.end(); // it does not speak as it is listened to
    } catch {
      return; // it ended: perhaps it was made without this
    }
    if (!signal.aborted) this.#waiting = session;
    this.#vainStarts = 0;
  }
}

interface Turn {
  /** What it does not understand when it has done what stands before. */
  end: string;
  heard: string[];
  resolve(complaint: string): void;
  reject(error: Error): void;
  late: Timer;
}

/** What points at a word of the line before. */
const UNDERLINE = /^[\s^~-]*$/;

class Session {
  readonly ended: Promise<void>;
  /** To it, in characters. */
  said = 0;
  /** Where too many files are open it has no streams. */
  readonly #child: ChildProcess;
  readonly #clock: Clock;
  /** Given to it and not answered. */
  readonly #turns: Turn[] = [];
  #given = 0;
  #rest = '';
  #isEnded = false;

  constructor({ command, clock }: Required<WaitingNftOptions>) {
    const [program = '', ...args] = command;
    this.#clock = clock;
    // It would keep in its user's home what it was told.
    const env = { ...process.env, LC_ALL: 'C', TERM: 'dumb', HOME: '/dev/null' };
    this.#child = spawn(program, [...args, '--interactive'], { env, stdio: ['pipe', 'ignore', 'pipe'] });
    const ended = new Promise<string>((resolve) => {
      this.#child.on('error', ({ message }) => resolve(message));
      this.#child.on('close', (code, signal) => resolve(signal ?? `it ended with ${code}`));
    });
    this.#child.stdin?.on('error', () => undefined); // `close` tells
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => this.#hear(text));
    this.ended = ended.then((reason) => this.#end(reason));
  }

  /** Does what stands on a line. Rejects when it ends before it has said how that went. */
  complaintAbout(line: string): Promise<string> {
    return new Promise((resolve, reject) => {
      if (this.#isEnded) return reject(new NftKilled('it has ended'));
      const end = `kedge-${++this.#given}`; // no command is one word
      const late = this.#clock.timer(LONGEST_MS, () => this.#child.kill('SIGKILL'));
      this.#turns.push({ end, heard: [], resolve, reject, late });
      const text = `${line}\n${end}\n`;
      this.said += text.length;
      this.#child.stdin?.write(text);
    });
  }

  /** After what it was given. */
  end(): void {
    this.#child.stdin?.end();
  }

  #end(reason: string): void {
    this.#isEnded = true;
    for (const { reject, late } of this.#turns.splice(0)) {
      late.cancel();
      reject(new NftKilled(reason));
    }
  }

  #hear(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#hearLine(line);
  }

  #hearLine(line: string): void {
    const [turn] = this.#turns;
    if (!turn) return;
    if (line.trim() !== turn.end) {
      turn.heard.push(line);
      return;
    }
    this.#turns.shift();
    turn.late.cancel();
    turn.resolve(complaintIn(turn.heard));
  }
}

/** Without what it said of the end itself: a line before, and one after, which comes first in what it says next. */
function complaintIn(heard: readonly string[]): string {
  const lines = heard.slice(UNDERLINE.test(heard[0] ?? '') ? 1 : 0, -1);
  return lines.join('\n').trim();
}
