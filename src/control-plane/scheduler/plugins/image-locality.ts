/** Prefers nodes that have the pod's images, the larger the more; counted less where few nodes have one, so that it spreads. */
import type { Node } from '#api/core/v1/node.ts';
import { definePlugin, type Tally } from '../define-plugin.ts';
import type { NodeInfo } from '../node-info.ts';

const MEGABYTE = 1024 * 1024;
/** Below, pulling costs next to nothing; above, for each container, more makes no difference. */
const SMALL_BYTES = 23 * MEGABYTE;
const LARGE_BYTES = 1000 * MEGABYTE;

interface State {
  containers: number;
  /** The pod's images that some node has, each as often as it is used, and the share of nodes that have it. */
  shares: readonly (readonly [image: string, share: number])[];
}

export const imageLocality = definePlugin<State>({
  name: 'ImageLocality',
  weight: 1,

  prepareScore({ spec }, _, cluster) {
    const { nodesWith } = cluster.tally('ImageLocality', () => new ImageTally());
    if (nodesWith.size === 0) return 'skip';
    const containers = [...spec.containers, ...(spec.initContainers ?? [])];
    const mounted = (spec.volumes ?? []).flatMap(({ image }) => image?.reference ?? []);
    const shares = [...containers.map(({ image = '' }) => image), ...mounted].flatMap((named) => {
      const image = normalized(named);
      const count = nodesWith.get(image) ?? 0;
      return count > 0 ? [[image, count / cluster.nodes.length] as const] : [];
    });
    return shares.length > 0 ? { containers: containers.length, shares } : 'skip';
  },

  score(_, { node }, { containers, shares }) {
    const images = imagesOf(node);
    let sum = 0;
    for (const [image, share] of shares) sum += Math.trunc((images.get(image) ?? 0) * share);
    const most = LARGE_BYTES * containers;
    const bounded = Math.min(most, Math.max(SMALL_BYTES, sum));
    return Math.floor(((bounded - SMALL_BYTES) * 100) / (most - SMALL_BYTES));
  },
  retryWhen: [],
});

/** How many nodes have an image. */
class ImageTally implements Tally {
  readonly nodesWith = new Map<string, number>();

  nodeCame({ node }: NodeInfo): void {
    for (const image of imagesOf(node).keys()) this.nodesWith.set(image, (this.nodesWith.get(image) ?? 0) + 1);
  }

  nodeWent({ node }: NodeInfo): void {
    for (const image of imagesOf(node).keys()) {
      const left = (this.nodesWith.get(image) ?? 0) - 1;
      if (left > 0) this.nodesWith.set(image, left);
      else this.nodesWith.delete(image);
    }
  }

  podCame(): void {
    // pods bring no images: the node says later what it has
  }

  podWent(): void {
    // the image stays
  }
}

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

/** `web` and `web:latest` are one. */
const normalized = (image: string): string =>
  image.lastIndexOf(':') <= image.lastIndexOf('/') ? `${image}:latest` : image;
