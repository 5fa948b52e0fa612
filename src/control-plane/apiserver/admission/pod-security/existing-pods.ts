/** Whoever makes a namespace stricter is told which of its pods would be refused now. They go on running. */
import { Pod } from '#api/core/v1/pod.ts';
import type { AdmissionServices } from '../define-admission.ts';
import { checksOf } from './checks.ts';
import { minorOf, type PodSecurityConfiguration, type Policy, textOf } from './levels.ts';

const MOST_PODS = 3000;

/** One line for the namespace, then one for each reason with the pods that it is about. */
export function warningsOfPods(
  namespace: string,
  policy: Policy,
  { informers, exemptions }: Pick<AdmissionServices, 'informers'> & Pick<PodSecurityConfiguration, 'exemptions'>,
): string[] {
  const isExempt = ({ spec }: Pod) => exemptions?.runtimeClasses?.includes(spec.runtimeClassName ?? '') === true;
  const all = oneOfEachOwnerFirst(
    informers
      .for(Pod)
      .inNamespace(namespace)
      .filter((pod) => !isExempt(pod)),
  );
  const checked = all.slice(0, MOST_PODS);
  const byReason = byReasonAgainst(checked, policy);
  const lines = [...byReason].map(([reason, pods]) => `${namesOf(pods)}: ${reason}`).sort();
  return [
    ...(checked.length < all.length
      ? [`new PodSecurity enforce level only checked against the first ${MOST_PODS} of ${all.length} existing pods`]
      : []),
    ...(lines.length > 0
      ? [
          `existing pods in namespace ${JSON.stringify(namespace)} violate the new PodSecurity enforce level ${JSON.stringify(textOf(policy))}`,
        ]
      : []),
    ...lines,
  ];
}

function byReasonAgainst(pods: readonly Pod[], policy: Policy): Map<string, Pod[]> {
  const byReason = new Map<string, Pod[]>();
  for (const pod of pods) {
    const reason = reasonsAgainst(pod, policy);
    if (reason) byReason.set(reason, [...(byReason.get(reason) ?? []), pod]);
  }
  return byReason;
}

const reasonsAgainst = ({ spec, metadata }: Pod, policy: Policy): string =>
  checksOf(policy.level, minorOf(policy))
    .flatMap((check) => check(spec, metadata)?.reason ?? [])
    .join(', ');

/** Pods of one owner are alike, so the others of them may wait. */
function oneOfEachOwnerFirst(pods: readonly Pod[]): Pod[] {
  const owners = new Set<string>();
  const [first, more]: [Pod[], Pod[]] = [[], []];
  for (const pod of pods) {
    const owner = pod.metadata.ownerReferences?.find(({ controller }) => controller)?.uid;
    (owner && owners.has(owner) ? more : first).push(pod);
    if (owner) owners.add(owner);
  }
  return [...first, ...more];
}

function namesOf(pods: readonly Pod[]): string {
  const [first = ''] = pods.map(({ metadata }) => metadata.name).sort();
  const others = pods.length - 1;
  return others === 0 ? first : `${first} (and ${others} other ${others === 1 ? 'pod' : 'pods'})`;
}
