import { expect, test } from 'vitest';
import { pemBlocksIn, pemOf } from './pem.ts';

const bytes = Uint8Array.from({ length: 100 }, (_, index) => index);
const block = pemOf('CERTIFICATE', bytes);
const found = { type: 'CERTIFICATE', headers: [], bytes };

test.each<[string, string, object[]]>([
  ['one', block, [found]],
  ['several, and words around them', `first:\n${block}\nthen:\n${block}end`, [found, found]],
  ['lines of Windows, blanks at their ends', block.replaceAll('\n', ' \t\r\n'), [found]],
  ['without a last line break', block.trimEnd(), [found]],
  ['headers', block.replace('\n', '\nA: b\nC: d\n\n'), [{ ...found, headers: ['A: b', 'C: d'] }]],
  ['nothing in it', '-----BEGIN A-----\n-----END A-----\n', [{ type: 'A', headers: [], bytes: new Uint8Array() }]],
  ['begun twice: the second counts', `-----BEGIN A-----\nQUJD\n${block}`, [found]],
  ['ended as something else', `-----BEGIN A-----\nQUJD\n-----END B-----\n${block}`, [found]],
  ['with something behind its end', `${block.trimEnd()}x\n${block}`, [found]],
  ['with its end not in a line of its own', '-----BEGIN A-----\nQUJD-----END A-----\n', []],
  ['begun in the middle of a line', `x${block}`, []],
  ['no base64', '-----BEGIN A-----\n!\n-----END A-----\n', []],
  ['a header behind the bytes', '-----BEGIN A-----\nQUJD\nA: b\n-----END A-----\n', []],
  ['never ended', '-----BEGIN A-----\nQUJD\n', []],
])('blocks are read as Go reads them: %s', (_, text, blocks) => {
  expect(pemBlocksIn(text)).toEqual(blocks);
});

test.each([
  '-----BEGIN A-----\n',
  '-----BEGIN ',
  '-----BEGIN A-----\t\t',
  '-----BEGIN A-----\nA: b\n',
  '-----END A-----',
])('a text of nothing but %j is read once, however long it is', (unit) => {
  expect(pemBlocksIn(unit.repeat(8_000_000 / unit.length))).toEqual([]);
});
