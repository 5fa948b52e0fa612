/** The pods of a node, without looking at those of others. */
import type { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import type { Kind } from '#api/machinery/kind.ts';
import type { ObjectKey } from '#api/machinery/object.ts';
import { keyOf } from '#api/machinery/object.ts';
import type { Cached } from '../define-controller.ts';

const nodeNameOf = ({ spec }: Pod): string | undefined => spec.nodeName;

export const podsOn = ({ metadata }: Node, cached: Cached<Kind<Pod>>): Pod[] =>
  cached(Pod).by(nodeNameOf, metadata.name);

/** For controllers that reconcile pods and watch nodes. */
export const podsOnNode = (node: Node, cached: Cached<Kind>): ObjectKey[] => podsOn(node, cached).map(keyOf);
