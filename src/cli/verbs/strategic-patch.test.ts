import { expect, test } from 'vitest';
import { facts } from '#api/generated/facts.ts';
import type { JsonObject } from '#api/machinery/json-value.ts';
import { applyStrategicMergePatch } from '#api/machinery/strategic-merge-patch.ts';
import { strategicPatchBetween } from './strategic-patch.ts';

const type = facts.typeOfKind('', 'v1', 'Pod')!;
const pod = (spec: JsonObject): JsonObject => ({ spec });
const named = (...names: string[]) => names.map((name) => ({ name, image: name }));

test.each<[string, JsonObject, JsonObject, JsonObject]>([
  ['nothing', { containers: named('a') }, { containers: named('a') }, {}],
  ['a field', { nodeName: 'a', hostname: 'h' }, { nodeName: 'b' }, { spec: { nodeName: 'b', hostname: null } }],
  [
    'an element, with its key',
    { containers: named('a', 'b') },
    { containers: [{ name: 'a', image: 'other' }, ...named('b')] },
    {
      spec: {
        containers: [{ name: 'a', image: 'other' }],
        '$setElementOrder/containers': [{ name: 'a' }, { name: 'b' }],
      },
    },
  ],
  [
    'elements that come and go',
    { containers: named('a', 'b') },
    { containers: named('c', 'b') },
    {
      spec: {
        containers: [...named('c'), { $patch: 'delete', name: 'a' }],
        '$setElementOrder/containers': [{ name: 'c' }, { name: 'b' }],
      },
    },
  ],
  [
    'the order alone',
    { containers: named('a', 'b') },
    { containers: named('b', 'a') },
    { spec: { '$setElementOrder/containers': [{ name: 'b' }, { name: 'a' }] } },
  ],
  [
    'a union whose member changes',
    { volumes: [{ name: 'v', emptyDir: {} }] },
    { volumes: [{ name: 'v', hostPath: { path: '/' } }] },
    {
      spec: {
        volumes: [{ name: 'v', emptyDir: null, hostPath: { path: '/' }, $retainKeys: ['hostPath', 'name'] }],
        '$setElementOrder/volumes': [{ name: 'v' }],
      },
    },
  ],
  ['a list that is one value', { tolerations: [{ key: 'a' }] }, { tolerations: [] }, { spec: { tolerations: [] } }],
])('%s', (_name, from, to, patch) => {
  const made = strategicPatchBetween(pod(from), pod(to), { type, facts });
  expect(made).toEqual(patch);
  expect(applyStrategicMergePatch(pod(from), made, { type, facts })).toEqual(pod(to));
});

test('of a list of texts it is told what goes', () => {
  const [from, to] = [
    ['a', 'b'],
    ['c', 'b'],
  ].map((finalizers) => ({ metadata: { finalizers } }));
  const patch = strategicPatchBetween(from!, to!, { type, facts });
  expect(patch).toEqual({
    metadata: {
      finalizers: ['c'],
      '$deleteFromPrimitiveList/finalizers': ['a'],
      '$setElementOrder/finalizers': ['c', 'b'],
    },
  });
});
