import { expect, test } from 'vitest';
import type { Pod } from '#api/core/v1/pod.ts';
import { ObjectCache } from './object-cache.ts';

const nodeOf = ({ spec }: Pod): string | undefined => spec.nodeName;

const pod = (name: string, resourceVersion: string, nodeName?: string): Pod =>
  ({
    metadata: { name, namespace: 'default', uid: name, resourceVersion },
    spec: { containers: [], ...(nodeName && { nodeName }) },
  }) as unknown as Pod;

test('what has a key is found under it, as it is now', () => {
  const cache = new ObjectCache<Pod>();
  const on = (node: string) => cache.by(nodeOf, node).map(({ metadata }) => metadata.name);
  cache.replace([pod('a', '1', 'one'), pod('b', '1')], '1');
  expect([on('one'), on('two')]).toEqual([['a'], []]);
  cache.put(pod('b', '2', 'one'));
  cache.put(pod('a', '3', 'two'));
  expect([on('one'), on('two')]).toEqual([['b'], ['a']]);
  cache.remove(pod('b', '4', 'one'));
  expect([on('one'), on('two')]).toEqual([[], ['a']]);
});
