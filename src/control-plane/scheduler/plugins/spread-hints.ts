/** What may let a pod go somewhere that was not spread well enough before. */
import type { Node } from '#api/core/v1/node.ts';
import type { Pod } from '#api/core/v1/pod.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { matchesLabels } from '#api/machinery/label-selector.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import type { ClusterChange } from '../define-plugin.ts';
import { type Constraint, ownConstraints } from './spread-constraints.ts';

const strictByPod = new WeakMap<Pod, readonly Constraint[]>();

/** Its own; none where a profile says what counts for pods that say nothing. */
function strictOf(pod: Pod): readonly Constraint[] {
  let strict = strictByPod.get(pod);
  if (!strict) {
    strict = ownConstraints(pod, 'DoNotSchedule');
    strictByPod.set(pod, strict);
  }
  return strict;
}

/** A node of these domains came or went, or is of others now, or has other taints. */
export function couldShift({ now, before }: ClusterChange, pod: Pod): boolean {
  const constraints = strictOf(pod);
  if (constraints.length === 0) return true;
  const isIn = (node: Node) =>
    constraints.every(({ topologyKey }) => node.metadata.labels?.[topologyKey] !== undefined);
  const [is, was] = [now as Node | undefined, before as Node | undefined];
  if (!is || !was) return isIn((is ?? was) as Node);
  if (isIn(is) !== isIn(was)) return true;
  const moved = ({ topologyKey }: Constraint) =>
    is.metadata.labels?.[topologyKey] !== was.metadata.labels?.[topologyKey];
  return isIn(is) && (constraints.some(moved) || !isEqual(is.spec.taints, was.spec.taints));
}

/** A pod that is counted came or went, or one is counted now that was not, or the other way round. */
export function couldBalance({ now, before }: ClusterChange, pod: Pod): boolean {
  const constraints = strictOf(pod);
  const { uid, namespace } = ((now ?? before) as Pod).metadata;
  if (constraints.length === 0 || uid === pod.metadata.uid) return true;
  if (namespace !== pod.metadata.namespace) return false;
  const isCounted = ({ selector }: Constraint, other: KubeObject) => matchesLabels(selector, other.metadata.labels);
  if (now && before) return constraints.some((each) => isCounted(each, now) !== isCounted(each, before));
  return constraints.some((each) => isCounted(each, (now ?? before) as Pod));
}
