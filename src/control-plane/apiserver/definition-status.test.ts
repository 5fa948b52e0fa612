import { expect, test } from 'vitest';
import type { CustomResourceDefinition } from '#api/generated/schema.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { nameConflictOf, statusOf, terminating } from './definition-status.ts';

const definition = (names: object = {}, status?: object) =>
  ({
    spec: {
      group: 'g.io',
      names: { plural: 'foos', singular: 'foo', kind: 'Foo', listKind: 'FooList', ...names },
      versions: [{ name: 'v1', schema: { openAPIV3Schema: { type: 'object' } } }],
    },
    status,
  }) as unknown as CustomResourceDefinition;
const kind = (fields: object) =>
  ({
    group: 'g.io',
    plural: 'bars',
    singular: 'bar',
    kind: 'Bar',
    listKind: 'BarList',
    shortNames: [],
    ...fields,
  }) as unknown as Kind;

for (const [taken, reason] of [
  [{ plural: 'foos' }, 'PluralConflict'],
  [{ singular: 'foo' }, 'SingularConflict'],
  [{ shortNames: ['f'] }, 'ShortNamesConflict'],
  [{ kind: 'Foo' }, 'KindConflict'],
  [{ listKind: 'FooList' }, 'ListKindConflict'],
  [{ group: 'other.io', plural: 'foos', kind: 'Foo' }, undefined],
  [{}, undefined],
] as const) {
  test(`where another has ${JSON.stringify(taken)} it is ${reason ?? 'no conflict'}`, () => {
    expect(nameConflictOf(definition({ shortNames: ['f'] }), [kind(taken)])?.reason).toBe(reason);
  });
}

test('good names are accepted and established', () => {
  const status = statusOf(definition(), undefined, 0);
  expect(status.acceptedNames?.plural).toBe('foos');
  expect(status.conditions).toMatchObject([
    { type: 'NamesAccepted', status: 'True', reason: 'NoConflicts', message: 'no conflicts found' },
    { type: 'Established', status: 'True', lastTransitionTime: '1970-01-01T00:00:00Z' },
  ]);
});

test('saying the same again changes no time', () => {
  const before = statusOf(definition(), undefined, 0);
  expect(statusOf(definition({}, before), undefined, 60_000)).toEqual(before);
});

test('a schema from before schemas were judged is told about until it is mended', () => {
  const { spec } = definition();
  const [version] = spec.versions;
  const old = { spec: { ...spec, versions: [{ ...version, schema: { openAPIV3Schema: {} } }] } };
  const status = statusOf(old as unknown as CustomResourceDefinition, undefined, 0);
  expect(status.conditions?.at(-1)).toMatchObject({
    type: 'NonStructuralSchema',
    status: 'True',
    reason: 'Violations',
    message: 'spec.validation.openAPIV3Schema.type: Required value: must not be empty at the root',
  });
  expect(statusOf(definition({}, status), undefined, 0).conditions).toHaveLength(2);
});

test('what was established stays so when its new names are not accepted', () => {
  const before = statusOf(definition(), undefined, 0);
  const after = statusOf(definition({ plural: 'bars' }, before), { reason: 'PluralConflict', message: 'm' }, 1000);
  expect(after.conditions?.map(({ type, status }) => `${type} ${status}`)).toEqual([
    'NamesAccepted False',
    'Established True',
  ]);
  expect(after.acceptedNames?.plural).toBe('foos');
});

test('a definition that goes says how far it is', () => {
  const { conditions } = terminating(definition(), 'InstanceDeletionInProgress', 0);
  expect(conditions).toMatchObject([{ type: 'Terminating', status: 'True', reason: 'InstanceDeletionInProgress' }]);
});
