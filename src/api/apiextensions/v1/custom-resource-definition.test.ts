import { expect, test } from 'vitest';
import type * as schema from '#api/generated/schema.ts';
import { CustomResourceDefinition } from './custom-resource-definition.ts';

const spec = (type: object) => ({ type: 'object', properties: { spec: type } });
const definition = (version: object, more: object = {}) =>
  CustomResourceDefinition.prepareForCreate(
    CustomResourceDefinition.defaults({
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: { name: 'gates.example.com' },
      spec: {
        group: 'example.com',
        names: { plural: 'gates', kind: 'Gate' },
        versions: [{ name: 'v1', served: true, storage: true, ...version }],
        ...more,
      },
    } as unknown as schema.CustomResourceDefinition),
  );
const said = (errors: readonly { field: string; message: string }[]) =>
  errors.map(({ field, message }) => `${field}: ${message}`);

const good = {
  openAPIV3Schema: spec({ type: 'object', properties: { colour: { type: 'string' }, o: { type: 'object' } } }),
};
const at = 'spec.selectableFields[0].jsonPath';

test.each([
  ['.spec.colour', []],
  ['.spec.none', [`${at}: Invalid value: ".spec.none": is an invalid path: does not refer to a valid field`]],
  ['.metadata.name', [`${at}: Invalid value: ".metadata.name": is an invalid path: does not refer to a valid field`]],
  [
    '.spec.o',
    [
      `${at}: Invalid value: ".spec.o": must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.`,
    ],
  ],
  [".spec['a']", [`${at}: Invalid value: ".spec['a']": is an invalid path: array notation is not allowed`]],
  ['spec.colour', [`${at}: Invalid value: "spec.colour": is an invalid path: expected [ or . but got: spec`]],
  ['', [`${at}: Required value`]],
])('a selectable field %j', (jsonPath, expected) => {
  const made = definition({ schema: good, selectableFields: [{ jsonPath }] });
  expect(said(CustomResourceDefinition.validate(made))).toEqual(expected);
});

test('a schema must be structural, and that all versions share one changes its path', () => {
  const bad = { openAPIV3Schema: spec({}) };
  const why = 'properties[spec].type: Required value: must not be empty for specified object fields';
  expect(said(CustomResourceDefinition.validate(definition({ schema: bad })))).toEqual([
    `spec.validation.openAPIV3Schema.${why}`,
  ]);
  const versions = [
    { name: 'v1', served: true, storage: true, schema: good },
    { name: 'v2', served: true, storage: false, schema: bad },
  ];
  expect(said(CustomResourceDefinition.validate(definition({}, { versions })))).toEqual([
    `spec.versions[1].schema.openAPIV3Schema.${why}`,
  ]);
});

test('a schema that stands there already does not keep a definition from being changed', () => {
  const old = definition({ schema: { openAPIV3Schema: {} } });
  const next = { ...old, metadata: { ...old.metadata, resourceVersion: '1', finalizers: ['example.com/f'] } };
  const current = { ...old, metadata: { ...old.metadata, resourceVersion: '1' } };
  expect(CustomResourceDefinition.validate(old)).toHaveLength(1);
  expect(CustomResourceDefinition.validateUpdate(next, current, '')).toEqual([]);
});
