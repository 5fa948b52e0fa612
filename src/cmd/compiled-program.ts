/**
 * A part of this program in one file of CommonJS, with what the engine has compiled of it: a start then neither parses nor
 * compiles most of what it runs. The engine takes such code only from its own version, started with the same flags; from any
 * other it is as if there were none. Where there was none, a process leaves what it has compiled behind when it ends.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { cachedDataVersionTag } from 'node:v8';
import { Script } from 'node:vm';

/** Its first line names what the source was when it was compiled: the engine itself compares no more than lengths. */
const STAMP = /^\/\/ [0-9a-f]{64}\n/;
/** Strict, as the modules are that it was made from. */
const HEAD = '(function (exports, require, module, __programUrl) { "use strict"; ';
const TAIL = '\n})';

export interface CompiledProgram<T> {
  exports: T;
  /** Whether compiled code was there and taken. */
  isFromCache: boolean;
  /** Writes down, beside the program, what the engine has compiled until now. Throws what the file system throws. */
  keep(): void;
}

/** `file`: absolute, the program. */
export function loadCompiled<T>(file: string): CompiledProgram<T> {
  const source = readFileSync(file, 'latin1'); // the bundler writes ASCII
  const stamp = STAMP.exec(source)?.[0] ?? '';
  const path = compiledPath(file);
  const cachedData = codeFor(stamp, path);
  const script = new Script(`${HEAD}${source}${TAIL}`, { filename: file, ...(cachedData && { cachedData }) });
  const module = { exports: {} };
  const run = script.runInThisContext() as (...given: unknown[]) => void;
  run(module.exports, createRequire(file), module, pathToFileURL(file).href);
  const keep = () => {
    const draft = `${path}.${process.pid}`;
    try {
      writeFileSync(draft, Buffer.concat([Buffer.from(stamp, 'latin1'), script.createCachedData()]));
      renameSync(draft, path);
    } finally {
      rmSync(draft, { force: true });
    }
  };
  const isFromCache = script.cachedDataRejected === false;
  if (!isFromCache && stamp) process.once('exit', () => unlessRefused(keep));
  return { exports: module.exports as T, isFromCache, keep };
}

/** One for each version and each set of flags of the engine: they do not take one another's. */
export const compiledPath = (file: string): string => `${file}.${cachedDataVersionTag().toString(16)}.compiled`;

/** Of another build it would be run in place of the source. */
function codeFor(stamp: string, path: string): Buffer | undefined {
  if (stamp === '') return undefined;
  const stored = unlessRefused(() => readFileSync(path));
  return stored?.toString('latin1', 0, stamp.length) === stamp ? stored.subarray(stamp.length) : undefined;
}

/** Not there, not to be read, not to be written: then it is done without. */
function unlessRefused<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
    return undefined;
  }
}
