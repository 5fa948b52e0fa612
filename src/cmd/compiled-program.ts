/**
 * A part of this program in one file of CommonJS, with what the engine has compiled of it: a start then neither parses nor
 * compiles most of what it runs. The engine takes such code only from its own version, started with the same flags; from any
 * other it is as if there were none. Where there was none, a process leaves what it has compiled behind when it ends.
 */
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { cachedDataVersionTag } from 'node:v8';
import { Script } from 'node:vm';
import { threadId } from 'node:worker_threads';
import { crc32 } from 'node:zlib';

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
  const cachedData = codeFor(stamp, { file, path });
  const script = new Script(`${HEAD}${source}${TAIL}`, { filename: file, ...(cachedData && { cachedData }) });
  const module = { exports: {} };
  const run = script.runInThisContext() as (...given: unknown[]) => void;
  run(module.exports, createRequire(file), module, pathToFileURL(file).href);
  const keep = () => place(path, stamp, script.createCachedData());
  const isFromCache = script.cachedDataRejected === false;
  if (!isFromCache && stamp)
    process.once('exit', () => {
      unlessRefused(keep);
      unlessRefused(() => removeOldest(file));
    });
  return { exports: module.exports as T, isFromCache, keep };
}

/** One for each version and each set of flags of the engine: they do not take one another's. */
export const compiledPath = (file: string): string => `${file}.${cachedDataVersionTag().toString(16)}.compiled`;

/** The engine ends the process when code is damaged, and would run that of another build in place of the source. */
const headOf = (stamp: string, code: Buffer): string => `${stamp}// ${crc32(code).toString(16).padStart(8, '0')}\n`;

function codeFor(stamp: string, { file, path }: { file: string; path: string }): Buffer | undefined {
  if (stamp === '') return undefined;
  const stored = unlessRefused(() => readTrusted(path, file));
  if (!stored) return undefined;
  const code = stored.subarray(headOf(stamp, NO_CODE).length);
  const head = stored.toString('latin1', 0, stored.length - code.length);
  return head === headOf(stamp, code) ? code : undefined;
}
const NO_CODE = Buffer.alloc(0);

/** What is run is what was looked at: by its descriptor. Neither a link nor a pipe is followed or waited for. */
function readTrusted(path: string, file: string): Buffer | undefined {
  const { O_RDONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants;
  const descriptor = openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  try {
    const code = fstatSync(descriptor);
    return code.isFile() && isTrusted(code, statSync(file)) ? readFileSync(descriptor) : undefined;
  } finally {
    closeSync(descriptor);
  }
}

type Owned = Pick<Stats, 'uid' | 'mode'>;
const ROOT = 0;
const WRITTEN_BY_OTHERS = 0o022;

/**
 * Whether nobody can have written the code who could not as well have written the program, or is root, or `user` (undefined
 * where the system knows none): a folder may be open to more people than its files are.
 */
export function isTrusted(code: Owned, program: Pick<Owned, 'uid'>, user = process.geteuid?.()): boolean {
  if (user === undefined) return true;
  return (code.mode & WRITTEN_BY_OTHERS) === 0 && [ROOT, user, program.uid].includes(code.uid);
}

/** Whole or not at all, over what is there. Throws what the file system throws. */
function place(path: string, stamp: string, code: Buffer): void {
  const draft = `${path}.${process.pid}-${threadId}`;
  const content = Buffer.concat([Buffer.from(headOf(stamp, code), 'latin1'), code]);
  writeFileSync(draft, content, { flag: 'wx', mode: 0o644 }); // a link that somebody put there is not written through
  try {
    renameSync(draft, path);
  } finally {
    rmSync(draft, { force: true });
  }
}

/** Versions of the engine come and go, and so do flags. */
const KEPT_AT_MOST = 6;

function removeOldest(file: string): void {
  const folder = dirname(file);
  const all = readdirSync(folder)
    .filter((name) => name.startsWith(`${basename(file)}.`) && name.endsWith('.compiled'))
    .map((name) => join(folder, name))
    .map((path) => ({ path, writtenMs: statSync(path).mtimeMs }))
    .sort((a, b) => b.writtenMs - a.writtenMs);
  for (const { path } of all.slice(KEPT_AT_MOST)) rmSync(path);
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
