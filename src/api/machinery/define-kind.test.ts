import { expect, test } from 'vitest';
import type * as schema from '#api/generated/schema.ts';
import { column, defineKind, KEEP_ALL_METADATA, nameColumn } from './define-kind.ts';
import { humanDuration, humanSince } from './duration.ts';
import { keyed, root } from './field-path.ts';
import { isCountOrPercent } from './field-rules.ts';
import { countOf } from './int-or-percent.ts';
import { formatIp, parseCidr, parseIp, rangeContains } from './ip.ts';
import type { KubeObject, ObjectMeta } from './object.ts';
import { validateObjectMeta, validateObjectMetaUpdate } from './object-meta.ts';
import { tableOf } from './table.ts';

type Widget = KubeObject & { spec: { size: number }; status?: { ready?: number } };

const declaration = {
  group: 'example.com',
  version: 'v1',
  kind: 'Widget',
  plural: 'widgets',
  scope: 'Namespaced' as const,
  subresources: ['status' as const],
  generationOf: ({ spec }: Widget) => spec,
  initialStatus: { ready: 0 },
  columns: [nameColumn<Widget>(), column<Widget>('Size', 'integer', ({ spec }) => spec.size)],
};
const Widget = defineKind<Widget>(declaration);

const widget = (size: number, more: Partial<Widget> = {}): Widget => ({
  apiVersion: 'example.com/v1',
  kind: 'Widget',
  spec: { size },
  ...more,
  metadata: {
    name: 'w',
    namespace: 'default',
    uid: 'u',
    resourceVersion: '1',
    creationTimestamp: '2026-01-01T00:00:00Z',
    ...more.metadata,
  },
});

test('a new object has no say in its status and begins its generations', () => {
  const created = Widget.prepareForCreate(widget(1, { status: { ready: 9 } }));
  expect(created.status).toEqual({ ready: 0 });
  expect(created.metadata.generation).toBe(1);
});

test('a main update keeps the status, and only a new spec is a new generation', () => {
  const current = Widget.prepareForCreate(widget(1));
  const same = Widget.prepareForUpdate(widget(1, { status: { ready: 5 } }), current, '');
  expect(same).toMatchObject({ status: { ready: 0 }, metadata: { generation: 1 } });
  expect(Widget.prepareForUpdate(widget(2), current, '').metadata.generation).toBe(2);
});

test('a status update keeps all but the status, and of the metadata what the kind says', () => {
  const current = Widget.prepareForCreate(widget(1));
  const next = widget(7, { status: { ready: 3 }, metadata: { labels: { a: 'b' } } as unknown as ObjectMeta });
  const loose = Widget.prepareForUpdate(next, current, 'status');
  expect(loose).toMatchObject({
    spec: { size: 1 },
    status: { ready: 3 },
    metadata: { labels: { a: 'b' }, generation: 1 },
  });
  const Strict = defineKind<Widget>({ ...declaration, statusKeeps: KEEP_ALL_METADATA });
  expect(Strict.prepareForUpdate(next, current, 'status').metadata.labels).toBeUndefined();
});

test('an update cannot take back a deletion, nor need it repeat what the server wrote', () => {
  const current = widget(1, {
    metadata: { deletionTimestamp: 'd', deletionGracePeriodSeconds: 30 } as unknown as ObjectMeta,
  });
  const next = Widget.prepareForUpdate(widget(2, { metadata: { uid: '' } as ObjectMeta }), current, '');
  expect(next.metadata).toMatchObject({ uid: 'u', deletionTimestamp: 'd', deletionGracePeriodSeconds: 30 });
  expect(Widget.validateUpdate(next, current, '')).toEqual([]);
});

test('a path reads as kubectl prints it', () => {
  const at = root<schema.Pod>();
  expect(String(at.spec.containers[0]!.ports[2]!.name)).toBe('spec.containers[0].ports[2].name');
  expect(`${keyed(at.metadata.labels, 'example.com/a')}`).toBe('metadata.labels[example.com/a]');
  // @ts-expect-error there is no such field
  expect(String(at.spec.contaners)).toBe('spec.contaners');
});

const meta = (more: Partial<ObjectMeta>): ObjectMeta => ({
  name: 'a',
  namespace: 'default',
  uid: 'u',
  resourceVersion: '1',
  creationTimestamp: '2026-01-01T00:00:00Z',
  ...more,
});
const owner = { apiVersion: 'v1', kind: 'Pod', name: 'p', uid: 'u' };
const lines = (errors: { field: string; message: string }[]) =>
  errors.map(({ field, message }) => `${field}: ${message}`);

test.each<[Partial<ObjectMeta>, string[]]>([
  [{}, []],
  [{ name: '' }, ['metadata.name: Required value: name or generateName is required']],
  [{ namespace: '' }, ['metadata.namespace: Required value']],
  [{ generation: -1 }, ['metadata.generation: Invalid value: -1: must be greater than or equal to 0']],
  [{ generateName: 'web-', name: 'web-x2bcd' }, []],
  [{ annotations: { 'Example.com/A': 'x' } }, []],
  [{ annotations: { a: 'ü'.repeat(131_072) } }, ['metadata.annotations: Too long: may not be more than 262144 bytes']],
  [
    { ownerReferences: [{ ...owner, uid: '' }] },
    ['metadata.ownerReferences.uid: Invalid value: "": must not be empty'],
  ],
  [
    { ownerReferences: [{ ...owner, apiVersion: 'a/b/c' }] },
    ['metadata.ownerReferences.apiVersion: Invalid value: "a/b/c": version must not be empty'],
  ],
  [
    { finalizers: ['orphan', 'foregroundDeletion'] },
    [
      'metadata.finalizers: Invalid value: ["orphan","foregroundDeletion"]: finalizer orphan and foregroundDeletion cannot be both set',
    ],
  ],
])('metadata %j is answered with %j', (more, expected) => {
  expect(lines(Widget.validate(widget(1, { metadata: meta(more) })))).toEqual(expected);
});

test('two controllers are one too many; a cluster has no namespace', () => {
  const ownerReferences = [
    { ...owner, controller: true },
    { ...owner, name: 'q', controller: true },
  ];
  const rules = { scope: 'Cluster' as const, name: () => [] };
  expect(lines(validateObjectMeta(meta({ ownerReferences }), rules))).toEqual([
    'metadata.namespace: Forbidden: not allowed on this type',
    `metadata.ownerReferences: Invalid value: ${JSON.stringify(ownerReferences)}: Only one reference can have Controller set to true. Found "true" in references for Pod/p and Pod/q`,
  ]);
});

test.each<[Partial<ObjectMeta>, Partial<ObjectMeta>, string[]]>([
  [{ uid: 'v' }, {}, ['metadata.uid: Invalid value: "v": field is immutable']],
  [{ name: 'b' }, {}, ['metadata.name: Invalid value: "b": field is immutable']],
  [{ resourceVersion: '' }, {}, ['metadata.resourceVersion: Invalid value: "": must be specified for an update']],
  [
    { deletionTimestamp: 'd', finalizers: ['x/y'] },
    { deletionTimestamp: 'd' },
    [
      'metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"x/y"}',
    ],
  ],
])('an update to %j from %j is answered with %j', (next, current, expected) => {
  expect(lines(validateObjectMetaUpdate(meta(next), meta(current)))).toEqual(expected);
});

test('shared rules', () => {
  const at = root<schema.PodDisruptionBudgetSpec>('spec');
  expect(lines(isCountOrPercent(at.minAvailable, -1))).toEqual([
    'spec.minAvailable: Invalid value: -1: must be greater than or equal to 0',
  ]);
  expect([countOf('25%', 10, 'up'), countOf('25%', 10, 'down'), countOf(3, 10, 'up'), countOf('x', 1, 'up')]).toEqual([
    3,
    2,
    3,
    undefined,
  ]);
});

test('a table holds cells by column and as much of the object as was asked for', () => {
  const options = { nowMs: 0, metadata: { resourceVersion: '7' } };
  const table = tableOf(Widget, [widget(3)], { ...options, include: 'Metadata' });
  expect(table).toMatchObject({
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata: { resourceVersion: '7' },
    columnDefinitions: [
      { name: 'Name', type: 'string', format: 'name', priority: 0 },
      { name: 'Size', type: 'integer', format: '', priority: 0 },
    ],
    rows: [{ cells: ['w', 3], object: { kind: 'PartialObjectMetadata', metadata: { name: 'w' } } }],
  });
  expect(tableOf(Widget, [widget(3)], { ...options, include: 'None' }).rows[0]?.object).toBeNull();
});

test.each([
  [-5_000, '<invalid>'],
  [-500, '0s'],
  [0, '0s'],
  [119_000, '119s'],
  [120_000, '2m'],
  [150_000, '2m30s'],
  [600_000, '10m'],
  [10_799_000, '179m'],
  [10_800_000, '3h'],
  [12_600_000, '3h30m'],
  [28_800_000, '8h'],
  [172_799_000, '47h'],
  [172_800_000, '2d'],
  [176_400_000, '2d1h'],
  [691_200_000, '8d'],
  [63_072_000_000, '2y'],
  [63_158_400_000, '2y1d'],
  [252_288_000_000, '8y'],
])('%d ms are shown as %s', (ms, expected) => {
  expect(humanDuration(ms)).toBe(expected);
});

test('a time that is not known is said not to be', () => {
  expect(humanSince(undefined, 0)).toBe('<unknown>');
});

test.each([
  ['10.0.0.1', '10.0.0.1'],
  ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
  ['::', '::'],
  ['::1', '::1'],
  ['1::', '1::'],
  ['::ffff:10.0.0.1', '::ffff:a00:1'],
])('%s is the address %s', (text, expected) => {
  expect(formatIp(parseIp(text)!)).toBe(expected);
});

test.each(['', '10.0.0', '10.0.0.256', '010.0.0.1', '1:2', ':::', '1::2::3', 'g::1', '1:2:3:4:5:6:7:8:9'])(
  '%j is no address',
  (text) => {
    expect(parseIp(text)).toBeUndefined();
  },
);

test('a range holds its addresses', () => {
  const range = parseCidr('10.96.0.0/12')!;
  expect(rangeContains(range, parseIp('10.111.255.255')!)).toBe(true);
  expect(rangeContains(range, parseIp('10.112.0.0')!)).toBe(false);
  expect(rangeContains(range, parseIp('::1')!)).toBe(false);
  expect([parseCidr('10.0.0.0/33'), parseCidr('10.0.0.0'), parseCidr('10.0.0.0/08')]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
});
