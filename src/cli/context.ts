import type { Clock } from '#base/clock.ts';

/** What a command gets from the process it runs in. */
export interface CliContext {
  clock: Clock;
  env: NodeJS.ProcessEnv;
  version: string;
  /** The start of a command line that runs this same program. */
  program: readonly string[];
  /** The folder of the clone or of the installed package: examples and tools are below it. */
  projectDir: string;
  /** Keeps a node until this process is told to end. */
  runAgent(options: AgentOptions): Promise<void>;
  /** One line to standard output. */
  out(line: string): void;
  /** One line to standard error: progress, warnings. */
  note(line: string): void;
}

export interface AgentOptions {
  /** The file that `kedge node invite` wrote. */
  invitation: string;
  dataDir?: string;
  /** Fields of a KubeletConfiguration. */
  kubelet?: Record<string, unknown>;
  /** Called when all of the node has been started. */
  ready(): void;
}

/** Something the user can do something about: shown without a stack, exit code 1. */
export class UserError extends Error {
  readonly code = 'UserError';
}
