/**
 * A part of this program in one file of CommonJS, with what the engine has compiled of it: a start then neither parses nor
 * compiles most of what it runs. The engine takes such code only from its own version, started with the same flags; from any
 * other it is as if there were none.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
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
  /** What the engine has compiled until now, for `<file>.compiled`. */
  compiled(): Buffer;
}

/** `file`: absolute. Beside it `<file>.compiled`, where there is one. */
export function loadCompiled<T>(file: string): CompiledProgram<T> {
  const source = readFileSync(file, 'latin1'); // the bundler writes ASCII
  const stamp = STAMP.exec(source)?.[0] ?? '';
  const cachedData = codeFor(stamp, `${file}.compiled`);
  const script = new Script(`${HEAD}${source}${TAIL}`, { filename: file, ...(cachedData && { cachedData }) });
  const module = { exports: {} };
  const run = script.runInThisContext() as (...given: unknown[]) => void;
  run(module.exports, createRequire(file), module, pathToFileURL(file).href);
  return {
    exports: module.exports as T,
    isFromCache: script.cachedDataRejected === false,
    compiled: () => Buffer.concat([Buffer.from(stamp, 'latin1'), script.createCachedData()]),
  };
}

/** Of another build it would be run in place of the source. */
function codeFor(stamp: string, path: string): Buffer | undefined {
  if (stamp === '' || !existsSync(path)) return undefined;
  const stored = readFileSync(path);
  return stored.toString('latin1', 0, stamp.length) === stamp ? stored.subarray(stamp.length) : undefined;
}
