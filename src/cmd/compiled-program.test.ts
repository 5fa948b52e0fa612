import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { compiledPath, loadCompiled } from './compiled-program.ts';

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

const WITH_PROCESSES_MS = 60_000;

test('a process that found no compiled code leaves it behind when it ends, for the next', {
  timeout: WITH_PROCESSES_MS,
}, () => {
  const file = placed('left.cjs', 4);
  expect(runs(file)).toEqual({ answer: 4, isFromCache: false });
  expect(runs(file)).toEqual({ answer: 4, isFromCache: true });
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
