import { expect, test } from 'vitest';
import type { Node, Pod } from '#api/generated/schema.ts';
import { NodeInfo } from '../node-info.ts';
import { Snapshot } from '../snapshot.ts';
import { imageLocality } from './image-locality.ts';

const MEGABYTE = 1024 * 1024;
const node = (name: string, images: Record<string, number>): Node =>
  ({
    metadata: { name },
    spec: {},
    status: { images: Object.entries(images).map(([image, size]) => ({ names: [image], sizeBytes: size * MEGABYTE })) },
  }) as unknown as Node;
const pod = (images: readonly string[], volumes: readonly string[] = []): Pod =>
  ({
    metadata: { name: 'web' },
    spec: {
      containers: images.map((image, i) => ({ name: `c${i}`, image })),
      volumes: volumes.map((reference, i) => ({ name: `v${i}`, image: { reference } })),
    },
  }) as unknown as Pod;

function scores(asked: Pod, nodes: readonly Node[]): number[] | 'skip' {
  const snapshot = new Snapshot();
  for (const each of nodes) snapshot.putNode(each);
  const state = imageLocality.prepareScore?.(asked, snapshot.nodes, snapshot as never, undefined);
  if (state === 'skip') return 'skip';
  return nodes.map((each) => imageLocality.score?.(asked, NodeInfo.of(each, []), state) ?? Number.NaN);
}

/** Of what lies between 23 MB and 1000 MB for each container. */
const of = (megabytes: number, containers = 1) => Math.floor(((megabytes - 23) * 100) / (1000 * containers - 23));
const big = node('a', { 'web:1': 600, 'data:1': 400 });
const other = node('b', { 'tool:latest': 300 });

test.each<[string, Pod, number[] | 'skip']>([
  ['that one node has, by half of its size', pod(['web:1']), [of(300), 0]],
  ['whose tag is not said, as the latest', pod(['tool']), [0, of(150)]],
  ['of two containers, each time', pod(['web:1', 'web:1']), [of(600, 2), 0]],
  ['of a volume as well', pod(['web:1'], ['data:1']), [of(300 + 200), 0]],
  ['that no node has, not at all', pod(['none:1']), 'skip'],
])('an image counts %s', (_, asked, wanted) => {
  expect(scores(asked, [big, other])).toEqual(wanted);
});

test('what is small makes no difference, and nothing counts more than all there is', () => {
  expect(scores(pod(['small:1']), [node('a', { 'small:1': 20 }), other])).toEqual([0, 0]);
  expect(scores(pod(['huge:1']), [node('a', { 'huge:1': 9000 }), other])).toEqual([100, 0]);
});
