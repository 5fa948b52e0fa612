import { expect, test } from 'vitest';
import type { CustomResourceDefinition } from '#api/generated/schema.ts';
import { acceptedNames, takenNames } from './definition-names.ts';

const names = { plural: 'foos', singular: 'foo', shortNames: ['f', 'fo'], kind: 'Foo', listKind: 'FooList' };
const definition = (more: object = {}) =>
  ({ spec: { group: 'example.com', names: { ...names, ...more } } }) as unknown as CustomResourceDefinition;

test.each([
  [{ plural: 'foos' }, 'PluralConflict', '"foos" is already in use'],
  [{ plural: 'foo' }, 'SingularConflict', '"foo" is already in use'],
  [{ singular: 'f' }, 'ShortNamesConflict', '"f" is already in use'],
  [{ shortNames: ['f', 'fo'] }, 'ShortNamesConflict', '["f" is already in use, "fo" is already in use]'],
  [{ kind: 'Foo' }, 'KindConflict', '"Foo" is already in use'],
  [{ kind: 'FooList' }, 'ListKindConflict', '"FooList" is already in use'],
  [{ plural: 'foos', kind: 'Foo' }, 'KindConflict', '"Foo" is already in use'],
])('where another has %j it is %s', (other, reason, message) => {
  expect(acceptedNames(definition(), {}, takenNames([other])).conflict).toEqual({ reason, message });
});

test('names that nobody else has are accepted all', () => {
  expect(acceptedNames(definition({ categories: ['all'] }), {}, takenNames([{ plural: 'bars' }]))).toEqual({
    names: { ...names, categories: ['all'] },
    conflict: undefined,
  });
});

test('a name that is taken stays as it was before, the others change', () => {
  const next = definition({ singular: 'bar', shortNames: ['b'], listKind: 'Foos' });
  expect(acceptedNames(next, names, takenNames([{ singular: 'bar', shortNames: ['b'] }])).names).toEqual({
    ...names,
    listKind: 'Foos',
  });
});

test('what is its own already is no conflict', () => {
  expect(acceptedNames(definition({ shortNames: ['foo'] }), names, takenNames([])).conflict).toBeUndefined();
});
