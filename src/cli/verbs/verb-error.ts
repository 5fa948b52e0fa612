/** Why a command of the API's client did not do what it was asked; told in kubectl's words. */
export class VerbError extends Error {
  readonly code = 'VerbError';
  readonly exitCode: number;
  /** What was typed is at fault: the text points to `--help`. */
  readonly isUsage: boolean;
  /** Told without `error: ` in front. */
  readonly isBare: boolean;

  constructor(message: string, options: { exitCode?: number; isUsage?: boolean; isBare?: boolean } = {}) {
    super(message);
    this.exitCode = options.exitCode ?? 1;
    this.isUsage = options.isUsage ?? false;
    this.isBare = options.isBare ?? false;
  }
}

/** Words were typed that `path`, a command with what stands before it, cannot take. */
export const unexpected = (what: string, path: string): VerbError =>
  new VerbError(`${what}\nSee '${path} -h' for help and examples`);

const SYSTEM_TEXTS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or directory',
  EACCES: 'permission denied',
  EISDIR: 'is a directory',
};

/** Why a file could not be read, as kubectl's users know it. Throws what is no error of the file system. */
export function whyNotRead(path: string, error: unknown): string {
  if (!(error instanceof Error)) throw error;
  const { code, message }: NodeJS.ErrnoException = error;
  if (!code) throw error;
  return `open ${path}: ${SYSTEM_TEXTS[code] ?? message}`;
}

/** The same, told without `error: ` in front. */
export const bare = (error: unknown): unknown =>
  error instanceof VerbError ? new VerbError(error.message, { exitCode: error.exitCode, isBare: true }) : error;

/** Several things went wrong, each told on a line of its own. */
export class SeveralErrors extends Error {
  readonly code = 'SeveralErrors';
  readonly errors: readonly unknown[];

  constructor(errors: readonly unknown[]) {
    super(errors.map((error) => (error instanceof Error ? error.message : String(error))).join('\n'));
    this.errors = errors;
  }
}

/** Throws what is in `errors`, if anything is; one alone as itself. */
export function throwIfAny(errors: readonly unknown[]): void {
  if (errors.length === 1) throw errors[0];
  if (errors.length > 1) throw new SeveralErrors(errors);
}
