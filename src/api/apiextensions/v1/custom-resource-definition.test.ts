import { describe, expect, test } from 'vitest';
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
        scope: 'Cluster',
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

describe('what upstream tells of definitions that are no good', () => {
  const refusals = (version: object, more: object = {}) =>
    said(CustomResourceDefinition.validate(definition({ schema: good, ...version }, more)));

  test('the scope must be said, for nothing stands in for it', () => {
    expect(refusals({}, { scope: undefined })).toEqual(['spec.scope: Required value']);
    const old = definition({ schema: good });
    const current = {
      ...old,
      metadata: { ...old.metadata, resourceVersion: '1' },
      status: { ...old.status, conditions: [{ type: 'Established', status: 'True' }] },
    } as unknown as schema.CustomResourceDefinition;
    const { scope: _, ...spec } = current.spec;
    const next = { ...current, spec } as schema.CustomResourceDefinition;
    expect(said(CustomResourceDefinition.validateUpdate(next, current, ''))).toEqual([
      'spec.scope: Required value',
      'spec.scope: Invalid value: "": field is immutable',
    ]);
  });

  test('the name of what is there is not judged again where its group or plural is gone', () => {
    const old = definition({ schema: good });
    const current = { ...old, metadata: { ...old.metadata, resourceVersion: '1' } };
    const next = { ...current, spec: { ...current.spec, group: '' } };
    expect(said(CustomResourceDefinition.validateUpdate(next, current, ''))).toEqual([
      'spec.group: Required value',
      'spec.group: Invalid value: "": field is immutable',
    ]);
  });

  test('a version without a schema, and fields to select by in one', () => {
    const versions = [
      { name: 'v1', served: true, storage: true, schema: good },
      { name: 'v2', served: true, storage: false, selectableFields: [{ jsonPath: '.spec.colour' }] },
    ];
    expect(refusals({}, { versions })).toEqual([
      'spec.versions[1].schema.openAPIV3Schema: Required value',
      'spec.versions[1].selectableFields: Invalid value: "": may only be set when `version.schema.openAPIV3Schema` is not included',
    ]);
  });

  test('a bad name of the first version is told twice', () => {
    const [first = '', second = '', ...more] = refusals({ name: 'V 1' });
    expect(first).toMatch(/^spec\.versions\[0\]\.name: Invalid value: "V 1": a DNS-1035 label must consist of/);
    expect(second).toBe(first.replace('spec.versions[0].name', 'spec.version'));
    expect(more).toEqual([]);
  });

  test('a length below zero that a default is longer than', () => {
    const openAPIV3Schema = spec({ type: 'string', maxLength: -1, default: 'a' });
    expect(refusals({ schema: { openAPIV3Schema } })).toEqual([
      'spec.validation.openAPIV3Schema.properties[spec].default: Too long: value is too long',
    ]);
  });
});

describe('formats that nobody knows', () => {
  const of = (...types: object[]) => {
    const properties = Object.fromEntries(types.map((type, index) => [`f${index}`, type]));
    return definition({ schema: { openAPIV3Schema: spec({ type: 'object', properties }) } });
  };

  test.each([
    [{ type: 'string', format: 'date-time' }, []],
    [{ type: 'string', format: 'k8s-short-name' }, []],
    [{ type: 'integer', format: 'int64' }, []],
    [{ type: 'number', format: 'double' }, []],
    [{ 'x-kubernetes-int-or-string': true, format: 'uuid' }, []],
    [{ type: 'string', format: 'int32' }, ['unrecognized format "int32"']],
    [{ type: 'integer', format: 'date' }, ['unrecognized format "date"']],
    [{ type: 'number', format: 'int32' }, ['unrecognized format "int32"']],
    [{ type: 'boolean', format: 'byte' }, ['unrecognized format "byte"']],
    [{ type: 'array', items: { type: 'string', format: 'x y' } }, ['unrecognized format "x y"']],
    [
      { type: 'string', anyOf: [{ format: 'a' }, { not: { format: 'b' } }] },
      ['a', 'b'].map((f) => `unrecognized format "${f}"`),
    ],
    [{ type: 'object', additionalProperties: { type: 'string', format: 'c' } }, ['unrecognized format "c"']],
  ])('%j', (type, expected) => {
    expect(CustomResourceDefinition.warnings(of(type))).toEqual(expected);
  });

  test('those that were there before are not told again', () => {
    const [a, b] = ['a', 'b'].map((format) => ({ type: 'string', format }));
    expect(CustomResourceDefinition.warnings(of(a!, b!), of(a!))).toEqual(['unrecognized format "b"']);
  });
});
