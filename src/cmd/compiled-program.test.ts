import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { threadId } from 'node:worker_threads';
import { afterAll, expect, test } from 'vitest';
import { compiledPath, isTrusted, loadCompiled } from './compiled-program.ts';

const LOADER = pathToFileURL(join(import.meta.dirname, 'compiled-program.ts')).href;
const folder = mkdtempSync(join(tmpdir(), 'kedge-compiled-'));
afterAll(() => rmSync(folder, { recursive: true }));

interface Answering {
  answer(): number;
  where: string;
  separator: string;
  isStrict: boolean;
}

/** As the build places it. Returns its path. */
function placed(name: string, answer: number): string {
  const source = `
    exports.answer = () => ${answer};
    exports.where = __programUrl;
    exports.separator = require('node:path').sep;
    exports.isStrict = (function () { return this === undefined; })();`;
  const file = join(folder, name);
  writeFileSync(file, `// ${createHash('sha256').update(source).digest('hex')}\n${source}`);
  return file;
}

test('a program without compiled code is compiled as it is run', () => {
  const { exports, isFromCache } = loadCompiled<Answering>(placed('plain.cjs', 1));
  expect(exports.answer()).toBe(1);
  expect(isFromCache).toBe(false);
});

test('a program is a strict module that can require, and knows where it is', () => {
  const { exports } = loadCompiled<Answering>(placed('module.cjs', 1));
  expect(exports).toMatchObject({
    where: expect.stringMatching(/^file:.*\/module\.cjs$/),
    separator: '/',
    isStrict: true,
  });
});

test('compiled code is taken when it was made of this source', () => {
  const file = placed('compiled.cjs', 1);
  loadCompiled<Answering>(file).keep();
  const { exports, isFromCache } = loadCompiled<Answering>(file);
  expect(exports.answer()).toBe(1);
  expect(isFromCache).toBe(true);
});

test('compiled code of another source is not run, however alike the two are', () => {
  const file = placed('changed.cjs', 1);
  loadCompiled<Answering>(file).keep();
  placed('changed.cjs', 2); // of the same length
  const { exports, isFromCache } = loadCompiled<Answering>(file);
  expect(exports.answer()).toBe(2);
  expect(isFromCache).toBe(false);
});

test('compiled code that is damaged is as if it were not there: the engine would end the process', () => {
  const file = placed('damaged.cjs', 3);
  loadCompiled<Answering>(file).keep();
  const code = readFileSync(compiledPath(file));
  const changed = Buffer.from(code);
  changed[changed.length >> 1]! ^= 0xff;
  for (const damaged of [changed, code.subarray(0, -100), code.subarray(0, 70), Buffer.alloc(code.length)]) {
    writeFileSync(compiledPath(file), damaged);
    const { exports, isFromCache } = loadCompiled<Answering>(file);
    expect(exports.answer()).toBe(3);
    expect(isFromCache).toBe(false);
  }
});

const [ROOT, ALICE, BOB] = [0, 1000, 1001];
test.each([
  { what: 'of who runs it', code: ALICE, program: ROOT, user: ALICE, isTaken: true },
  { what: "of the program's owner", code: ALICE, program: ALICE, user: ROOT, isTaken: true },
  { what: 'of root', code: ROOT, program: ALICE, user: BOB, isTaken: true },
  { what: 'of another user, run by root', code: BOB, program: ALICE, user: ROOT, isTaken: false },
  { what: 'of another user', code: BOB, program: ROOT, user: ALICE, isTaken: false },
  { what: 'that its group may write', code: ALICE, program: ALICE, user: ALICE, mode: 0o664, isTaken: false },
  { what: 'that everybody may write', code: ROOT, program: ROOT, user: ROOT, mode: 0o646, isTaken: false },
])('compiled code $what: run is $isTaken', ({ code, program, user, mode = 0o644, isTaken }) => {
  expect(isTrusted({ uid: code, mode: 0o100000 | mode }, { uid: program }, user)).toBe(isTaken);
});

test('compiled code that others may write, or that is a link to some, is not run', () => {
  const file = placed('open.cjs', 6);
  const path = compiledPath(file);
  loadCompiled<Answering>(file).keep();
  expect(statSync(path).mode & 0o022).toBe(0);
  chmodSync(path, 0o666);
  expect(loadCompiled<Answering>(file).isFromCache).toBe(false);
  chmodSync(path, 0o644);
  expect(loadCompiled<Answering>(file).isFromCache).toBe(true);
  renameSync(path, `${path}.elsewhere`);
  symlinkSync(`${path}.elsewhere`, path);
  expect(loadCompiled<Answering>(file).isFromCache).toBe(false);
});

test('compiled code is not written through a link that somebody has put in its place', () => {
  const file = placed('linked.cjs', 7);
  const victim = join(folder, 'victim');
  writeFileSync(victim, 'untouched');
  symlinkSync(victim, compiledPath(file));
  loadCompiled<Answering>(file).keep();
  symlinkSync(victim, `${compiledPath(file)}.${process.pid}-${threadId}`);
  expect(() => loadCompiled<Answering>(file).keep()).toThrow('EEXIST');
  expect(readFileSync(victim, 'utf8')).toBe('untouched');
  expect(loadCompiled<Answering>(file).isFromCache).toBe(true);
});

const WITH_PROCESSES_MS = 60_000;

test('a process that found no compiled code leaves it behind when it ends, for the next', {
  timeout: WITH_PROCESSES_MS,
}, () => {
  const file = placed('left.cjs', 4);
  expect(runs(file)).toEqual({ answer: 4, isFromCache: false });
  expect(runs(file)).toEqual({ answer: 4, isFromCache: true });
});

test('of what processes leave behind only the newest stays', { timeout: WITH_PROCESSES_MS }, () => {
  const file = placed('many.cjs', 8);
  for (let tag = 0; tag < 20; tag++) writeFileSync(`${file}.${tag}.compiled`, 'of another version');
  expect(runs(file)).toEqual({ answer: 8, isFromCache: false });
  expect(readdirSync(folder).filter((name) => name.startsWith('many.cjs.'))).toHaveLength(6);
  expect(runs(file)).toEqual({ answer: 8, isFromCache: true });
});

test('where nothing can be written the program runs all the same', { timeout: WITH_PROCESSES_MS }, () => {
  const file = placed('unwritable.cjs', 5);
  mkdirSync(compiledPath(file)); // nothing can take the place of a folder
  expect(runs(file)).toEqual({ answer: 5, isFromCache: false });
});

/** In a process of its own. */
function runs(file: string): unknown {
  const script = `
    import { loadCompiled } from ${JSON.stringify(LOADER)};
    const { exports, isFromCache } = loadCompiled(${JSON.stringify(file)});
    console.log(JSON.stringify({ answer: exports.answer(), isFromCache }));`;
  const line = ['--import', 'tsx', '--input-type=module', '--eval', script];
  const { stdout, stderr, status } = spawnSync(process.execPath, line, { encoding: 'utf8' });
  return status === 0 ? JSON.parse(stdout) : stderr;
}
