/** For controllers that reconcile pods and watch nodes: the pods of a node. */
import type { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import type { Kind } from '#api/machinery/kind.ts';
import type { ObjectKey } from '#api/machinery/object.ts';
import { keyOf } from '#api/machinery/object.ts';
import type { Cached } from '../define-controller.ts';

export const podsOnNode = ({ metadata }: Node, cached: Cached<Kind>): ObjectKey[] =>
  cached(Pod)
    .list()
    .filter(({ spec }) => spec.nodeName === metadata.name)
    .map(keyOf);
