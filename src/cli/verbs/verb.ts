/** What a command of the API's client is: kubectl's verbs for people who have no kubectl, one file each. */
import type { Clock } from '#base/clock.ts';
import type { ClusterApi } from './cluster-api.ts';
import type { Flags, FlagSpec } from './flags.ts';

/** Where standard input is one. */
export interface Terminal {
  setRaw(isRaw: boolean): void;
  /** Tells the size now and whenever it changes, until what is returned is called. */
  sizes(resize: (size: { width: number; height: number }) => void): () => void;
}

export interface VerbIo {
  out(text: string | Uint8Array): void;
  err(text: string | Uint8Array): void;
  terminal?: Terminal | undefined;
  /** What is printed is seen by a person. */
  printsToTerminal?: boolean;
  /** The whole of standard input. */
  readAll(): Promise<string>;
  stdin: NodeJS.ReadableStream;
  env: NodeJS.ProcessEnv;
  /** Relative paths are relative to here. */
  folder: string;
  clock: Clock;
  /** Aborts when the user presses Ctrl-C. */
  signal: AbortSignal;
}

export interface VerbCall {
  args: readonly string[];
  flags: Flags;
  argsBeforeDash: number | undefined;
  io: VerbIo;
  cluster: ClusterApi;
  /** How the command is called: `kedge rollout status`. */
  path: string;
}

export interface Verb {
  name: string;
  aliases?: readonly string[];
  /** For the list of commands. */
  summary: string;
  /** Behind the name: `(TYPE NAME | -f FILE)`. */
  usage?: string;
  flags?: readonly FlagSpec[];
  /** Instead of `run`: `rollout` has `status`, `undo` … */
  verbs?: readonly Verb[];
  /** The exit code; 0 when it gives none. */
  run?(call: VerbCall): Promise<number | undefined> | Promise<void>;
}
