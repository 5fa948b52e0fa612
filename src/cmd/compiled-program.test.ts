import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { loadCompiled } from './compiled-program.ts';

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
  writeFileSync(`${file}.compiled`, loadCompiled<Answering>(file).compiled());
  const { exports, isFromCache } = loadCompiled<Answering>(file);
  expect(exports.answer()).toBe(1);
  expect(isFromCache).toBe(true);
});

test('compiled code of another source is not run, however alike the two are', () => {
  const file = placed('changed.cjs', 1);
  writeFileSync(`${file}.compiled`, loadCompiled<Answering>(file).compiled());
  placed('changed.cjs', 2); // of the same length
  const { exports, isFromCache } = loadCompiled<Answering>(file);
  expect(exports.answer()).toBe(2);
  expect(isFromCache).toBe(false);
});

test('compiled code that the engine does not know is as if it were not there', () => {
  const file = placed('foreign.cjs', 3); // what it has compiled already the engine remembers
  const [stamp = ''] = readFileSync(file, 'utf8').split('\n');
  writeFileSync(`${file}.compiled`, Buffer.concat([Buffer.from(`${stamp}\n`), Buffer.alloc(200)]));
  const { exports, isFromCache } = loadCompiled<Answering>(file);
  expect(exports.answer()).toBe(3);
  expect(isFromCache).toBe(false);
});
