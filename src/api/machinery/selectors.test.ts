import { describe, expect, test } from 'vitest';
import { formatFieldSelector, matchesFields, parseFieldSelector } from './field-selector.ts';
import {
  everything,
  formatLabels,
  formatSelector,
  isEverything,
  matchesLabels,
  nothing,
  parseLabelSelector,
  selectorFrom,
} from './label-selector.ts';

const parsed = (text: string) => {
  const result = parseLabelSelector(text);
  if (!result.ok) throw new Error(result.error);
  return result.value;
};

describe('a label selector', () => {
  test.each<[string, object, boolean]>([
    ['', {}, true],
    ['a', { a: '' }, true],
    ['a', {}, false],
    ['!a', {}, true],
    ['! a', { a: '1' }, false],
    ['a=1', { a: '1' }, true],
    ['a==1', { a: '2' }, false],
    ['a=', { a: '' }, true],
    ['a!=1', {}, true],
    ['a!=1', { a: '1' }, false],
    ['a in (1,2)', { a: '2' }, true],
    ['a in (1, 2)', { a: '3' }, false],
    ['a notin (1,2)', {}, true],
    ['a notin (1,2)', { a: '1' }, false],
    ['a in (,x)', { a: '' }, true],
    ['a>3', { a: '10' }, true],
    ['a>3', { a: 'x' }, false],
    ['a<3', {}, false],
    ['a=1,b!=2 , c', { a: '1', c: 'x' }, true],
    ['x.io/a = b', { 'x.io/a': 'b' }, true],
    ['toString', {}, false],
    ['in', { in: '' }, true],
  ])('%j on %j: %s', (text, labels, expected) => {
    expect(matchesLabels(parsed(text), labels as Record<string, string>)).toBe(expected);
  });

  test.each([
    ['b=1,a', 'a,b=1'],
    ['a==1', 'a==1'],
    ['a in (z,b)', 'a in (b,z)'],
    ['!a', '!a'],
    ['a notin (b)', 'a notin (b)'],
  ])('%j is written %j', (text, expected) => {
    expect(formatSelector(parsed(text))).toBe(expected);
  });

  test.each([
    ['a=1=2', "found '=', expected: ',' or 'end of string'"],
    ['a in 1', "unable to parse requirement: found '1' expected: '('"],
    ['a in (1', "unable to parse requirement: found '', expected: ',' or ')'"],
    ['a,', "found '', expected: identifier after ','"],
    ['=a', "found '=', expected: !, identifier, or 'end of string'"],
    ['a b', "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"],
  ])('%j is refused: %s', (text, error) => {
    expect(parseLabelSelector(text)).toEqual({ ok: false, error });
  });

  test('with a bad key or value is refused with the rule', () => {
    expect(parseLabelSelector('a_=b')).toMatchObject({ ok: false });
    expect(parseLabelSelector('a=-')).toMatchObject({ ok: false });
    expect(parseLabelSelector('a>x')).toMatchObject({ ok: false });
  });

  test('of the API: none matches nothing, an empty one everything', () => {
    expect(selectorFrom(undefined)).toBe(nothing);
    expect(matchesLabels(nothing, {})).toBe(false);
    expect(isEverything(selectorFrom({}))).toBe(true);
    expect(matchesLabels(everything, { a: '1' })).toBe(true);
    const selector = selectorFrom({
      matchLabels: { b: '1' },
      matchExpressions: [
        { key: 'a', operator: 'In', values: ['y', 'x'] },
        { key: 'c', operator: 'DoesNotExist' },
      ],
    });
    expect(formatSelector(selector)).toBe('a in (x,y),b=1,!c');
    expect(matchesLabels(selector, { a: 'x', b: '1' })).toBe(true);
    expect(matchesLabels(selector, { a: 'x', b: '1', c: '' })).toBe(false);
  });

  test('labels are shown sorted', () => {
    expect(formatLabels({ b: '2', a: '1' })).toBe('a=1,b=2');
    expect(formatLabels(undefined)).toBe('<none>');
  });
});

describe('a field selector', () => {
  const fields: Record<string, string> = { 'metadata.name': 'web', 'spec.nodeName': '', odd: 'a,b=c\\' };
  test.each([
    ['', true],
    ['metadata.name=web', true],
    ['metadata.name==web', true],
    ['metadata.name!=web', false],
    ['spec.nodeName=,metadata.name=web', true],
    ['spec.nodeName!=', false],
    ['odd=a\\,b\\=c\\\\', true],
  ])('%j: %s', (text, expected) => {
    const result = parseFieldSelector(text);
    expect(result.ok && matchesFields(result.value, (field) => fields[field])).toBe(expected);
  });

  test('is written with what must be escaped', () => {
    expect(formatFieldSelector([{ field: 'odd', operator: '!=', value: 'a,b' }])).toBe('odd!=a\\,b');
  });

  test.each([
    ['name', "invalid selector: 'name'; can't understand 'name'"],
    ['a=b=c', "invalid selector: 'a=b=c'; can't understand 'a=b=c'"],
  ])('%j is refused', (text, error) => {
    expect(parseFieldSelector(text)).toEqual({ ok: false, error });
  });
});
