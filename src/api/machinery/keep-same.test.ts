import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keepSame } from './keep-same.ts';

describe('keeping what is the same', () => {
  it('gives back the known value when nothing is different', () => {
    const known = { metadata: { labels: { a: '1' } }, spec: { list: [{ name: 'x' }, 2] } };
    expect(keepSame(structuredClone(known), known)).toBe(known);
  });

  it('keeps the parts beside a change, in fields and in lists', () => {
    const known = { metadata: { labels: { a: '1' } }, spec: { list: [{ name: 'x' }, { name: 'y' }] } };
    const next = { metadata: { labels: { a: '1' } }, spec: { list: [{ name: 'x' }, { name: 'z' }] } };
    const kept = keepSame(next, known);
    expect(kept).toEqual(next);
    expect(kept.metadata).toBe(known.metadata);
    expect(kept.spec.list[0]).toBe(known.spec.list[0]);
    expect(kept.spec.list[1]).toBe(next.spec.list[1]);
  });

  it.each([
    ['a field that is gone', { a: 1 }, { a: 1, b: 2 }],
    ['a field that is new', { a: 1, b: 2 }, { a: 1 }],
    ['a field that has another name', { b: undefined }, { a: undefined }],
    ['a shorter list', [1], [1, 2]],
    ['a longer list', [1, 2], [1]],
    ['a list in place of fields', [], {}],
    ['fields in place of a list', {}, []],
    ['null in place of fields', { a: null }, { a: {} }],
  ])('takes %s for a difference', (_, next, known) => {
    expect(keepSame<unknown>(next, known)).toStrictEqual(next);
  });

  it('reads keys as data', () => {
    const next = JSON.parse('{"__proto__":{"a":1},"x":{"b":1}}');
    const kept = keepSame(next, { x: { b: 1 } });
    expect(JSON.stringify(kept)).toBe('{"__proto__":{"a":1},"x":{"b":1}}');
  });

  it('says what `next` says, and changes neither', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (next, known) => {
        const before = JSON.stringify([next, known]);
        expect(keepSame(next, known)).toEqual(next);
        expect(JSON.stringify([next, known])).toBe(before);
        expect(keepSame(JSON.parse(JSON.stringify(next)), next)).toBe(next);
      }),
    );
  });
});
