/** Prefers nodes that have the pod's images, the larger the more; counted less where few nodes have one, so that it spreads. */
import type { Node } from '#api/core/v1/node.ts';
import { definePlugin } from '../define-plugin.ts';
import type { NodeInfo } from '../node-info.ts';

const MEGABYTE = 1024 * 1024;
/** Below, pulling costs next to nothing; above, for each container, more makes no difference. */
const SMALL_BYTES = 23 * MEGABYTE;
const LARGE_BYTES = 1000 * MEGABYTE;

export const imageLocality = definePlugin<readonly NodeInfo[] | undefined>({
  name: 'ImageLocality',
  weight: 1,
  prepareScore: (_, __, cluster) => cluster.nodes,
  score({ spec }, { node }, nodes = []) {
    const containers = [...spec.containers, ...(spec.initContainers ?? [])];
    const images = containers.map(({ image }) => normalized(image ?? ''));
    const sum = images.reduce((total, image) => {
      const bytes = imagesOf(node).get(image);
      return bytes ? total + bytes * shareWith(image, nodes) : total;
    }, 0);
    const most = LARGE_BYTES * containers.length;
    const bounded = Math.min(most, Math.max(SMALL_BYTES, sum));
    return Math.floor(((bounded - SMALL_BYTES) * 100) / (most - SMALL_BYTES));
  },
  retryWhen: [],
});

const cachedImages = new WeakMap<Node, ReadonlyMap<string, number>>();

function imagesOf(node: Node): ReadonlyMap<string, number> {
  let images = cachedImages.get(node);
  if (!images) {
    const named = (node.status?.images ?? []).flatMap(({ names = [], sizeBytes = 0 }) =>
      names.map((name): [string, number] => [normalized(name), sizeBytes]),
    );
    images = new Map(named);
    cachedImages.set(node, images);
  }
  return images;
}

const shareWith = (image: string, nodes: readonly NodeInfo[]): number =>
  nodes.filter(({ node }) => imagesOf(node).has(image)).length / Math.max(1, nodes.length);

/** `web` and `web:latest` are one. */
const normalized = (image: string): string =>
  image.lastIndexOf(':') <= image.lastIndexOf('/') ? `${image}:latest` : image;
