import { describe, expect, test } from 'vitest';
import { facts } from '#api/generated/facts.ts';
import type { JsonObject } from '../json-value.ts';
import type { ManagedFieldsEntry } from '../object.ts';
import { fieldsOfConfiguration } from './applied-configuration.ts';
import { shapeOfKind } from './field-shape.ts';
import { applyConfiguration, managedFieldsOfUpdate, type Writer } from './field-tracking.ts';
import { fieldsLastApplied } from './last-applied.ts';

const deployment = shapeOfKind(facts, facts.typeOfKind('apps', 'v1', 'Deployment'));
const configMap = shapeOfKind(facts, facts.typeOfKind('', 'v1', 'ConfigMap'));
const custom = shapeOfKind(facts, undefined);

const writer = (manager: string, more: Partial<Writer> = {}): Writer => ({
  manager,
  apiVersion: 'v1',
  subresource: '',
  now: '2026-01-01T00:00:00Z',
  isWatched: (field) => field !== 'status',
  ...more,
});

const object = (managedFields: ManagedFieldsEntry[] | undefined, content: JsonObject): JsonObject =>
  ({
    ...content,
    metadata: { ...(content.metadata as JsonObject), ...(managedFields && { managedFields }) },
  }) as unknown as JsonObject;

const setsOf = (entries: ManagedFieldsEntry[] | undefined) =>
  Object.fromEntries((entries ?? []).map(({ manager, operation, fieldsV1 }) => [`${manager} ${operation}`, fieldsV1]));

function applied(
  live: JsonObject | undefined,
  configuration: JsonObject,
  { manager, shape = configMap, force = false }: { manager: string; shape?: typeof configMap; force?: boolean },
): JsonObject {
  const fields = fieldsOfConfiguration(configuration, shape);
  if ('problems' in fields) throw new Error(fields.problems.join());
  const free = () => (live ? fieldsLastApplied(live, shape) : undefined);
  const result = applyConfiguration(live, {
    configuration,
    named: fields.set,
    force,
    shape,
    writer: writer(manager),
    ...(manager === 'kubectl' && { free }),
    reshape: (merged) => merged,
  });
  const { managedFields: _, ...metadata } = (result.object.metadata ?? {}) as JsonObject;
  return object(result.managedFields, { ...result.object, metadata });
}

function updated(live: JsonObject | undefined, next: JsonObject, manager: string, shape = configMap): JsonObject {
  const managedFields = managedFieldsOfUpdate(live, next, { shape, writer: writer(manager) });
  return object(managedFields, next);
}

const managed = (of: JsonObject) => setsOf((of.metadata as { managedFields?: ManagedFieldsEntry[] }).managedFields);
const data = (fields: Record<string, string>): JsonObject => ({ metadata: { name: 'a' }, data: fields });

test('whoever creates has all fields that were sent, less those that the server keeps', () => {
  const made = updated(
    undefined,
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'web', uid: 'x', labels: { app: 'web' } },
      spec: {
        replicas: 1,
        strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1 } },
        template: {
          spec: {
            containers: [{ name: 'web', image: 'nginx', args: ['a'], ports: [{ containerPort: 80 }], resources: {} }],
          },
        },
      },
      status: { replicas: 1 },
    },
    'kubectl-create',
    deployment,
  );
  expect(managed(made)).toEqual({
    'kubectl-create Update': {
      'f:metadata': { 'f:labels': { '.': {}, 'f:app': {} } },
      'f:spec': {
        'f:replicas': {},
        'f:strategy': { 'f:type': {}, 'f:rollingUpdate': { '.': {}, 'f:maxSurge': {} } },
        'f:template': {
          'f:spec': {
            'f:containers': {
              'k:{"name":"web"}': {
                '.': {},
                'f:name': {},
                'f:image': {},
                'f:args': {},
                'f:resources': {},
                'f:ports': {
                  '.': {},
                  'k:{"containerPort":80,"protocol":"TCP"}': { '.': {}, 'f:containerPort': {} },
                },
              },
            },
          },
        },
      },
    },
  });
});

describe('apply', () => {
  test('names what it applies, and takes it again when it is named no longer', () => {
    const first = applied(undefined, data({ a: '1', b: '1' }), { manager: 'ci' });
    expect(managed(first)).toEqual({ 'ci Apply': { 'f:data': { 'f:a': {}, 'f:b': {} } } });
    const second = applied(first, data({ b: '1' }), { manager: 'ci' });
    expect(second.data).toEqual({ b: '1' });
  });

  test('that leaves out its last label or annotation takes it, and nothing else of the metadata', () => {
    const first = { metadata: { name: 'a', uid: 'u', labels: { x: '1' }, annotations: { y: '2' } } };
    const live = applied(undefined, first, { manager: 'me' });
    const { metadata } = applied(live, { metadata: { name: 'a' } }, { manager: 'me' }) as typeof first;
    expect(metadata).toEqual({ name: 'a', uid: 'u' });
  });
  test('leaves what others hold as well', () => {
    const first = applied(undefined, data({ a: '1', b: '1' }), { manager: 'ci' });
    const shared = applied(first, data({ a: '1' }), { manager: 'ops' });
    const left = applied(shared, data({ b: '1' }), { manager: 'ci' });
    expect(left.data).toEqual({ a: '1', b: '1' });
    expect(managed(left)).toEqual({
      'ci Apply': { 'f:data': { 'f:b': {} } },
      'ops Apply': { 'f:data': { 'f:a': {} } },
    });
  });

  test.each([
    [data({ a: '2' }), 'Apply failed with 1 conflict: conflict with "edit" using v1: .data.a'],
    [data({ a: '2', b: '2' }), 'Apply failed with 2 conflicts: conflicts with "edit" using v1:\n- .data.a\n- .data.b'],
  ])('is refused what somebody else set', (configuration, message) => {
    const live = updated(undefined, data({ a: '1', b: '1' }), 'edit');
    expect(() => applied(live, configuration, { manager: 'ci' })).toThrow(message);
  });

  test('names each field of a conflict as a cause, with the keys of lists', () => {
    const content = (image: string): JsonObject => ({
      metadata: { name: 'web' },
      spec: { template: { spec: { containers: [{ name: 'c', image }] } } },
    });
    const live = updated(undefined, content('a'), 'edit', deployment);
    const field = '.spec.template.spec.containers[name="c"].image';
    expect(() => applied(live, content('b'), { manager: 'ci', shape: deployment })).toThrow(
      expect.objectContaining({
        code: 409,
        reason: 'Conflict',
        details: { causes: [{ reason: 'FieldManagerConflict', message: 'conflict with "edit" using v1', field }] },
      }),
    );
  });

  test('takes it by force, and what says the same is shared', () => {
    const live = updated(undefined, data({ a: '1', b: '1' }), 'edit');
    const forced = applied(live, data({ a: '2', b: '1' }), { manager: 'ci', force: true });
    expect(forced.data).toEqual({ a: '2', b: '1' });
    expect(managed(forced)).toEqual({
      'ci Apply': { 'f:data': { 'f:a': {}, 'f:b': {} } },
      'edit Update': { 'f:data': { '.': {}, 'f:b': {} } },
    });
  });

  test('keeps the order of its own items and the place of others', () => {
    const list = (...names: string[]): JsonObject => ({
      metadata: { name: 'web' },
      spec: { template: { spec: { containers: names.map((name) => ({ name })) } } },
    });
    const live = applied(undefined, list('a', 'x', 'b'), { manager: 'other', shape: deployment });
    const next = applied(live, list('b', 'a', 'c'), { manager: 'ci', shape: deployment });
    expect(next).toMatchObject(list('x', 'b', 'a', 'c'));
  });

  test('of a custom object has lists as one value', () => {
    const content = (list: number[]): JsonObject => ({ metadata: { name: 'w' }, spec: { list, size: 1 } });
    const first = applied(undefined, content([1, 2]), { manager: 'ci', shape: custom });
    expect(managed(first)).toEqual({ 'ci Apply': { 'f:spec': { 'f:list': {}, 'f:size': {} } } });
    expect(applied(first, content([3]), { manager: 'ci', shape: custom }).spec).toEqual({ list: [3], size: 1 });
  });

  test('by kubectl goes on from what kubectl applied on its own side', () => {
    const annotations = {
      'kubectl.kubernetes.io/last-applied-configuration': JSON.stringify({ data: { a: '1' } }),
    };
    const before = { metadata: { name: 'a', annotations }, data: { a: '1', b: '1' } };
    const live = updated(undefined, before, 'kubectl-client-side-apply');
    expect(applied(live, data({ a: '2' }), { manager: 'kubectl' }).data).toEqual({ a: '2', b: '1' });
    expect(() => applied(live, data({ b: '2' }), { manager: 'kubectl' })).toThrow('.data.b');
    expect(() => applied(live, data({ a: '2' }), { manager: 'ci' })).toThrow('.data.a');
  });

  test('finds an owner for what nobody has an account of', () => {
    const next = applied(data({ a: '1' }), data({ b: '1' }), { manager: 'ci' });
    expect(managed(next)).toEqual({
      'before-first-apply Update': { 'f:data': { '.': {}, 'f:a': {} } },
      'ci Apply': { 'f:data': { 'f:b': {} } },
    });
  });
});

/** As managedfields of apimachinery 0.36 answers. */
describe('what is applied', () => {
  const volume = shapeOfKind(facts, facts.typeOfKind('', 'v1', 'PersistentVolume'));
  const pod = shapeOfKind(facts, facts.typeOfKind('', 'v1', 'Pod'));

  test("as an empty list of items, or of values that are a set, is nobody's", () => {
    const content = {
      metadata: { name: 'a', finalizers: [] },
      spec: { replicas: 1, template: { spec: { containers: [] } } },
    };
    const first = applied(undefined, content, { manager: 'ci', shape: deployment });
    expect(managed(first)).toEqual({ 'ci Apply': { 'f:spec': { 'f:replicas': {} } } });
  });

  test('as an empty list that is one value, or as an empty map, is managed', () => {
    const content = { metadata: { name: 'a', labels: {} }, spec: { tolerations: [], nodeSelector: {} } };
    const first = applied(undefined, content, { manager: 'ci', shape: pod });
    expect(managed(first)).toEqual({
      'ci Apply': { 'f:metadata': { 'f:labels': {} }, 'f:spec': { 'f:nodeSelector': {}, 'f:tolerations': {} } },
    });
  });

  test('of the claim of a volume has parts, though a reference is one value elsewhere', () => {
    const content = { metadata: { name: 'a' }, spec: { claimRef: { name: 'c', namespace: 'n' } } };
    const first = applied(undefined, content, { manager: 'ci', shape: volume });
    expect(managed(first)).toEqual({ 'ci Apply': { 'f:spec': { 'f:claimRef': { 'f:name': {}, 'f:namespace': {} } } } });
  });

  test('may leave the key of an item out where the schema has one for it', () => {
    const content = { metadata: { name: 'a' }, spec: { containers: [{ image: 'i' }], imagePullSecrets: [{}] } };
    expect(fieldsOfConfiguration(content, pod)).toMatchObject({
      set: { 'f:spec': { 'f:containers': { 'k:{"name":""}': {} }, 'f:imagePullSecrets': { 'k:{"name":""}': {} } } },
    });
    const account = shapeOfKind(facts, facts.typeOfKind('', 'v1', 'ServiceAccount'));
    expect(fieldsOfConfiguration({ secrets: [{ namespace: 'n' }] }, account)).toEqual({
      problems: [
        '.secrets: element 0: associative list with keys has an element that omits all key fields ["name"] (and doesn\'t have default values for any key fields)',
      ],
    });
  });

  test('is in conflict as it was said: before it is judged by its type, and where the type would drop it', () => {
    const live = applied(
      undefined,
      { metadata: { name: 'a' }, spec: { tolerations: [{ key: 'k' }] } },
      { manager: 'one', shape: pod },
    );
    const emptied = { metadata: { name: 'a' }, spec: { tolerations: [] } };
    const reshape = () => {
      throw new Error('it does not fit');
    };
    const fields = fieldsOfConfiguration(emptied, pod);
    const named = 'set' in fields ? fields.set : undefined;
    const application = { configuration: emptied, named, force: false, shape: pod, writer: writer('two'), reshape };
    expect(() => applyConfiguration(live, application)).toThrow(
      'Apply failed with 1 conflict: conflict with "one": .spec.tolerations',
    );
    expect(() => applyConfiguration(live, { ...application, force: true })).toThrow('it does not fit');
  });

  test('has its conflicts in the order of fields: of each object first what has no parts', () => {
    const content = (value: string) => ({
      metadata: { name: 'a', labels: { l: value } },
      immutable: value === '1',
      data: { a: value },
    });
    const live = applied(undefined, content('1'), { manager: 'one' });
    expect(() => applied(live, content('2'), { manager: 'two' })).toThrow(
      'Apply failed with 3 conflicts: conflicts with "one":\n- .immutable\n- .data.a\n- .metadata.labels.l',
    );
  });

  test('is taken from nobody by an update that leaves out what is then absent', () => {
    const live = applied(
      undefined,
      { metadata: { name: 'a' }, spec: { replicas: 1, minReadySeconds: 1 } },
      { manager: 'one', shape: deployment },
    );
    const { managedFields } = live.metadata as unknown as { managedFields: ManagedFieldsEntry[] };
    const next = object(managedFields, { metadata: { name: 'a' }, spec: { replicas: 1 } });
    expect(managed(updated(live, next, 'two', deployment))).toEqual({
      'one Apply': { 'f:spec': { 'f:replicas': {} } },
    });
  });
});

test.each([
  [{ spec: { foo: 1 } }, ['.spec.foo: field not declared in schema']],
  [{ spec: { template: 1 } }, ['.spec.template: expected map, got &{1}']],
  [
    { spec: { template: { spec: { containers: [{ name: 'a' }, { name: 'a' }] } } } },
    ['.spec.template.spec.containers: duplicate entries for key [name="a"]'],
  ],
  // From here on each as Go's structured-merge-diff says of the same.
  [{ spec: { replicas: '3' } }, ['.spec.replicas: expected numeric (int or float), got string']],
  [
    { spec: { replicas: [], paused: 'yes' } },
    [
      '.spec.paused: expected boolean, got &{yes}',
      '.spec.replicas: expected numeric (int or float), got []interface {}',
    ],
  ],
  [
    { spec: { selector: { matchLabels: { a: 5 }, foo: 1 } } },
    [
      '.spec.selector.foo: field not declared in schema',
      '.spec.selector.matchLabels.a: expected string, got &value.valueUnstructured{Value:5}',
    ],
  ],
  [
    { metadata: { finalizers: [5, [1], 'a'] } },
    [
      '.metadata.finalizers[=5]: expected string, got &value.valueUnstructured{Value:5}',
      '.metadata.finalizers: element 1: not supported: associative list with lists as elements',
    ],
  ],
  [
    { metadata: { labels: { x: 1.5, y: { z: [1, null, true] } } } },
    [
      '.metadata.labels.x: expected string, got &value.valueUnstructured{Value:1.5}',
      '.metadata.labels.y: expected string, got &value.valueUnstructured{Value:map[string]interface {}{"z":[]interface {}{1, interface {}(nil), true}}}',
    ],
  ],
  [
    {
      spec: {
        template: {
          spec: {
            containers: [
              {
                name: 'a',
                args: [1, 'b', null],
                command: 'sh',
                env: [5],
                ports: [{ containerPort: '80' }],
                resources: { limits: { cpu: 1, memory: true, x: {} } },
              },
            ],
          },
        },
      },
    },
    [
      'args[0]: expected string, got &value.valueUnstructured{Value:1}',
      'command: expected list, got &{sh}',
      'env: element 0: associative list with keys may not have non-map elements',
      'ports[containerPort="80",protocol="TCP"].containerPort: expected numeric (int or float), got string',
      'resources.limits.x: expected any scalar, got &{map[]}',
    ].map((problem) => `.spec.template.spec.containers[name="a"].${problem}`),
  ],
  [
    { spec: { template: { spec: { containers: [null] } } } },
    ['.spec.template.spec.containers: element 0: associative list with keys may not have a null element'],
  ],
  [
    { spec: { strategy: { rollingUpdate: { maxSurge: [] } } } },
    ['.spec.strategy.rollingUpdate.maxSurge: expected any scalar, got &{[]}'],
  ],
  [{ kind: 5 }, ['.kind: expected string, got &value.valueUnstructured{Value:5}']],
])('a configuration that is none of its type says where', (configuration, problems) => {
  expect(fieldsOfConfiguration(configuration as JsonObject, deployment)).toEqual({ problems });
});

describe('an update', () => {
  const made = updated(undefined, data({ a: '1', b: '1' }), 'one');
  const account = (made.metadata as unknown as { managedFields: ManagedFieldsEntry[] }).managedFields;

  test('takes what it changes from others, and from nobody what it leaves', () => {
    const next = updated(made, object(account, data({ a: '2', b: '1' })), 'two');
    expect(managed(next)).toEqual({
      'one Update': { 'f:data': { '.': {}, 'f:b': {} } },
      'two Update': { 'f:data': { 'f:a': {} } },
    });
  });

  test('that removes a field removes it from every account', () => {
    const next = updated(made, object(account, data({ b: '1' })), 'two');
    expect(managed(next)).toEqual({ 'one Update': { 'f:data': { '.': {}, 'f:b': {} } } });
  });

  test('that changes nothing leaves the account as it is', () => {
    expect(managedFieldsOfUpdate(made, made, { shape: configMap, writer: writer('two') })).toBe(account);
  });

  test('with one empty entry forgets all, and such an object stays without', () => {
    const reset = updated(made, object([{}], data({ a: '1', b: '1' })), 'two');
    expect(managed(reset)).toEqual({});
    expect(managed(updated(data({ a: '1' }), data({ a: '2' }), 'two'))).toEqual({});
  });

  test('keeps the account of the stored object when what was sent is none', () => {
    const broken = [{ operation: 'Update' as const, fieldsType: 'FieldsV1', fieldsV1: { 'x:y': {} } }];
    expect(managed(updated(made, object(broken, data({ a: '1', b: '1' })), 'two'))).toEqual(managed(made));
  });

  test('by the eleventh manager makes one of the two oldest', () => {
    let live = made;
    for (let i = 0; i < 11; i++) {
      const { managedFields } = live.metadata as unknown as { managedFields: ManagedFieldsEntry[] };
      const fields = { ...(live.data as Record<string, string>), [`k${i}`]: '1' };
      live = updated(live, object(managedFields, data(fields)), `m${String(i).padStart(2, '0')}`);
    }
    const names = Object.keys(managed(live));
    expect(names).toHaveLength(10);
    expect(names).toContain('ancient-changes Update');
  });
});
