/** What may let a pod go somewhere that was beside the wrong pods, or not beside the right ones. */
import type { Node } from '#api/core/v1/node.ts';
import type { Pod } from '#api/core/v1/pod.ts';
import { affinityTermsOf, couldMatch, type Term } from './pod-affinity-terms.ts';

/** A node that is new, or stands elsewhere, as the pod's own wishes see it; for a pod without any, it may be free of others' wishes. */
export function couldOffer(pod: Pod, { metadata: now }: Node, before: Node | undefined): boolean {
  const { required, requiredAnti } = affinityTermsOf(pod);
  if (required.length + requiredAnti.length === 0) return true;
  const [is, was] = [now.labels ?? {}, before?.metadata.labels ?? {}];
  const moved = ({ topologyKey }: Term) => is[topologyKey] !== was[topologyKey];
  if (required.some((term) => moved(term) && is[term.topologyKey] !== undefined)) return true;
  return requiredAnti.some((term) => !before || (moved(term) && was[term.topologyKey] !== undefined));
}

/** A pod that is there now, or has other labels: one to be beside, or no longer one to be away from. */
export function couldWelcome(pod: Pod, now: Pod, before: Pod | undefined): boolean {
  if (now.metadata.uid === pod.metadata.uid) return true;
  if (isWantedBy(pod, now) && !(before && isWantedBy(pod, before))) return true;
  return before !== undefined && isUnwantedBy(pod, before) && !isUnwantedBy(pod, now);
}

/** Where a pod went that was in the way, wanted to be without this one, or was the last that it had to be beside. */
export const couldMiss = (pod: Pod, gone: Pod): boolean =>
  isUnwantedBy(pod, gone) ||
  affinityTermsOf(gone).requiredAnti.some((term) => couldMatch(term, pod)) ||
  isWantedBy(pod, gone);

function isWantedBy(pod: Pod, other: Pod): boolean {
  const { required } = affinityTermsOf(pod);
  return required.length > 0 && required.every((term) => couldMatch(term, other));
}

/** One that any term is about: upstream wants all of them, and has pods wait for its flush that could go. */
const isUnwantedBy = (pod: Pod, other: Pod): boolean =>
  affinityTermsOf(pod).requiredAnti.some((term) => couldMatch(term, other));
