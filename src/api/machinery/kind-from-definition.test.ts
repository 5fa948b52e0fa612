import { expect, test } from 'vitest';
import { CustomResourceDefinition } from '#api/apiextensions/v1/custom-resource-definition.ts';
import type * as schema from '#api/generated/schema.ts';
import { parseJsonPath, valuesAt } from './json-path.ts';
import type { Kind } from './kind.ts';
import { kindsFromDefinition } from './kind-from-definition.ts';
import { createKindRegistry } from './kind-registry.ts';
import type { KubeObject } from './object.ts';
import { cellsOf } from './table.ts';

const version = (name: string, more: object = {}) => ({
  name,
  served: true,
  storage: false,
  schema: { openAPIV3Schema: { type: 'object' } },
  ...more,
});

const definition = (versions: object[]) =>
  CustomResourceDefinition.defaults({
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'gates.example.com' },
    spec: {
      group: 'example.com',
      names: { plural: 'gates', kind: 'Gate', shortNames: ['gt'] },
      scope: 'Namespaced',
      versions,
    },
  } as unknown as schema.CustomResourceDefinition);

const stored = version('v1', {
  storage: true,
  schema: {
    openAPIV3Schema: {
      type: 'object',
      properties: { spec: { type: 'object', properties: { colour: { type: 'string' }, width: { type: 'integer' } } } },
    },
  },
  subresources: {
    status: {},
    scale: {
      specReplicasPath: '.spec.size',
      statusReplicasPath: '.status.size',
      labelSelectorPath: '.status.selector',
    },
  },
  additionalPrinterColumns: [
    { name: 'Width', type: 'integer', jsonPath: '.spec.width' },
    { name: 'Ready', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
    { name: 'Note', type: 'string', jsonPath: '.spec.note', priority: 1 },
  ],
  selectableFields: [{ jsonPath: '.spec.colour' }],
});

const gate = (spec: object, more: object = {}) =>
  ({
    apiVersion: 'example.com/v1',
    kind: 'Gate',
    metadata: { name: 'north', namespace: 'default', creationTimestamp: '2026-01-01T00:00:00Z' },
    spec,
    ...more,
  }) as unknown as KubeObject & { status?: unknown };

const [Gate, old] = kindsFromDefinition(definition([stored, version('v1alpha1', { deprecated: true })])) as [
  Kind,
  Kind,
];

test('a definition makes a kind with its names', () => {
  expect(CustomResourceDefinition.validate(CustomResourceDefinition.prepareForCreate(definition([stored])))).toEqual(
    [],
  );
  expect(Gate).toMatchObject({
    group: 'example.com',
    version: 'v1',
    kind: 'Gate',
    listKind: 'GateList',
    singular: 'gate',
    shortNames: ['gt'],
    scope: 'Namespaced',
    storagePrefix: 'example.com/gates',
  });
  expect(Gate.facts).toBeUndefined();
  expect(Gate.subresources.map(({ name }) => name)).toEqual(['status', 'scale']);
});

test('its columns are read from the object', () => {
  const object = gate({ width: 3, note: 'wide' }, { status: { conditions: [{ type: 'Ready', status: 'True' }] } });
  expect(Gate.columns.map(({ name }) => name)).toEqual(['Name', 'Width', 'Ready', 'Age', 'Note']);
  expect(cellsOf(Gate, object, Date.parse('2026-01-01T01:00:00Z'))).toEqual(['north', 3, 'True', '60m', 'wide']);
  expect(cellsOf(Gate, gate({ width: 'x' }), 0).slice(0, 3)).toEqual(['north', null, null]);
  expect(Gate.selectableFields['spec.colour']?.(gate({ colour: 'red' }))).toBe('red');
  expect(Gate.scale?.selector(gate({}, { status: { selector: 'a=b' } }))).toBe('a=b');
});

test('status and spec are changed apart, and the spec alone moves the generation', () => {
  const created = Gate.prepareForCreate(gate({ width: 1 }, { status: { open: true } })) as ReturnType<typeof gate>;
  expect(created.status).toBeUndefined();
  expect(created.metadata.generation).toBe(1);

  const opened = Gate.prepareForUpdate(gate({ width: 9 }, { status: { open: true } }), created, 'status');
  expect(opened).toMatchObject({ spec: { width: 1 }, status: { open: true }, metadata: { generation: 1 } });

  const wider = Gate.prepareForUpdate(gate({ width: 2 }, { status: { open: false } }), opened, '');
  expect(wider).toMatchObject({ spec: { width: 2 }, status: { open: true }, metadata: { generation: 2 } });
});

test('another version is the stored one under another name', () => {
  expect(old.hub?.kind).toBe(Gate);
  expect(old.hub?.fromHub(gate({ width: 1 })).apiVersion).toBe('example.com/v1alpha1');
  expect(old.deprecation).toBe('example.com/v1alpha1 Gate is deprecated; use example.com/v1 Gate');
});

test('a registry serves it until it is taken away', () => {
  const registry = createKindRegistry([CustomResourceDefinition]);
  let changes = 0;
  const stop = registry.onChange(() => {
    changes += 1;
  });
  registry.add(Gate);
  expect(registry.byResource('example.com', 'v1', 'gates')).toBe(Gate);
  expect(registry.byKind('example.com', 'v1', 'Gate')).toBe(Gate);
  expect(registry.all()).toEqual([CustomResourceDefinition, Gate]);
  expect(registry.remove(Gate)).toBe(true);
  expect(registry.remove(Gate)).toBe(false);
  expect(registry.byKind('example.com', 'v1', 'Gate')).toBeUndefined();
  expect([registry.generation, changes]).toEqual([2, 2]);
  stop();
  registry.add(Gate);
  expect(changes).toBe(2);
});

test.each<[string, unknown[]]>([
  ['.a.b', [1]],
  ['{.a.b}', [1]],
  ["['a']['b']", [1]],
  ['.list[0].n', ['x']],
  ['.list[-1].n', ['y']],
  ['.list[*].n', ['x', 'y']],
  ['.list[?(@.n=="y")].v', [2]],
  ['.list[?(@.v>1)].n', ['y']],
  ['.list[0:1].n', ['x']],
  ['.list[::2].n', ['x']],
  ['.list[1:].n', ['y']],
  ['.list[0,1].v', [1, 2]],
  [".list[*]['n','v']", ['x', 1, 'y', 2]],
  ['..n', ['x', 'y']],
  ['.list[?(@.w)].n', []],
  ['.list[?(@.v)].n', ['x', 'y']],
  ['.list[?(@.n=="y")].v', [2]],
  ['.dotted\\.name', [3]],
  ['.none.at.all', []],
  ['.__proto__', []],
])('%s leads to %j', (text, expected) => {
  const object = {
    a: { b: 1 },
    list: [
      { n: 'x', v: 1 },
      { n: 'y', v: 2 },
    ],
    'dotted.name': 3,
  };
  expect(valuesAt(parseJsonPath(text)!, object)).toEqual(expected);
});

test.each(['a', '.a[', '.a[?(x)]', '.a[]', '.a[?(@)]', '.a.'])('%s is no path', (text) => {
  expect(parseJsonPath(text)).toBeUndefined();
});
