/** Flags of kube-apiserver as the cluster's record has them, read as Go reads them. */
import { readFileSync } from 'node:fs';
import { durationMs } from '#control-plane/apiserver/remote/configuration-file.ts';

/** A flag that cannot be used, in words for who gave it. */
export class FlagError extends Error {
  readonly code = 'FlagError';
}

export class ApiServerFlags {
  readonly #values: Readonly<Record<string, string>>;

  constructor(values: Readonly<Record<string, string>> = {}) {
    this.#values = values;
  }

  has(name: string): boolean {
    return this.#values[name] !== undefined;
  }

  text(name: string, otherwise = ''): string {
    return this.#values[name] ?? otherwise;
  }

  /** Separated by commas. */
  list(name: string, otherwise: readonly string[] = []): readonly string[] {
    const value = this.#values[name];
    return value === undefined
      ? otherwise
      : value
          .split(',')
          .map((one) => one.trim())
          .filter(Boolean);
  }

  boolean(name: string, otherwise: boolean): boolean {
    const value = this.#values[name];
    if (value === undefined) return otherwise;
    if (value === 'true' || value === 'false') return value === 'true';
    throw new FlagError(`--${name}: ${JSON.stringify(value)} is neither true nor false`);
  }

  /** A whole number, not negative. */
  count(name: string, otherwise: number): number {
    const value = this.#values[name];
    if (value === undefined) return otherwise;
    if (/^\d{1,9}$/.test(value)) return Number(value);
    throw new FlagError(`--${name}: ${JSON.stringify(value)} is no whole number`);
  }

  milliseconds(name: string, otherwise: number): number {
    const value = this.#values[name];
    const ms = value === undefined ? otherwise : durationMs(value);
    if (ms === undefined) throw new FlagError(`--${name}: ${JSON.stringify(value)} is no time such as 30s or 2m0s`);
    return ms;
  }

  /** Throws FlagError that names the flag and the file. */
  file(name: string): string {
    return readNamedFile(this.text(name), `--${name}`);
  }
}

const MAX_BYTES = 4 * 1024 * 1024;

export function readNamedFile(path: string, what: string): string {
  try {
    const text = readFileSync(path, 'utf8');
    if (text.length > MAX_BYTES) throw new Error(`it is larger than ${MAX_BYTES} bytes`);
    return text;
  } catch (error) {
    throw new FlagError(`${what}: ${path} cannot be read: ${(error as Error).message}`);
  }
}
