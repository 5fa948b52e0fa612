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

test('an object is under all of its keys and no others, whether they change or not', () => {
  const cache = new ObjectCache<Pod>();
  const imagesOf = ({ spec }: Pod): string[] => spec.containers.map(({ image = '' }) => image);
  const found = (image: string) => cache.by(imagesOf, image).map(({ metadata }) => metadata.resourceVersion);
  const of = (resourceVersion: string, ...images: string[]): Pod => {
    const one = pod('a', resourceVersion);
    return { ...one, spec: { ...one.spec, containers: images.map((image) => ({ image })) } } as unknown as Pod;
  };
  cache.replace([of('1', 'x', 'y')], '1');
  expect([found('x'), found('y')]).toEqual([['1'], ['1']]);
  cache.put(of('2', 'x', 'y'));
  expect([found('x'), found('y')]).toEqual([['2'], ['2']]);
  cache.put(of('3', 'y', 'z'));
  expect([found('x'), found('y'), found('z')]).toEqual([[], ['3'], ['3']]);
  cache.put(of('4', 'y'));
  expect([found('y'), found('z')]).toEqual([['4'], []]);
});

test('what is found by an index is the newest state, also where the index was not asked for its keys again', () => {
  const cache = new ObjectCache<Pod>();
  let asked = 0;
  const byNode = Object.assign(
    (object: Pod) => {
      asked++;
      return nodeOf(object);
    },
    { mayDiffer: (now: Pod, before: Pod) => now.spec !== before.spec },
  );
  const on = (node: string) => cache.by(byNode, node).map(({ metadata }) => metadata.resourceVersion);
  const first = pod('a', '1', 'one');
  cache.replace([first], '1');
  expect([on('one'), asked]).toEqual([['1'], 1]);
  cache.put({ ...first, metadata: { ...first.metadata, resourceVersion: '2' } });
  expect([on('one'), asked]).toEqual([['2'], 1]);
  cache.put(pod('a', '3', 'two'));
  expect([on('one'), on('two')]).toEqual([[], ['3']]);
});

test('who has the name of another is told of as something new, and what belonged to that one is forgotten', () => {
  const cache = new ObjectCache<Pod>();
  const told: string[] = [];
  cache.onChange(({ key, now, before }) => told.push(`${key} ${before?.metadata.uid} ${now?.metadata.uid}`));
  const on = (node: string) => cache.by(nodeOf, node).map(({ metadata }) => metadata.uid);
  cache.put(pod('a', '1', 'one'));
  expect(on('one')).toEqual(['a']);
  const other = pod('a', '2');
  cache.put({ ...other, metadata: { ...other.metadata, uid: 'b' } });
  expect(on('one')).toEqual([]);
  expect([cache.size, cache.get('default/a')?.metadata.uid]).toEqual([1, 'b']);
  expect(told).toEqual(['default/a undefined a', 'default/a a undefined', 'default/a undefined b']);
});
