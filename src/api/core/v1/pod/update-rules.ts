/** What of a pod may still change: little, for its containers run. Source: "Pod update and replacement". */
import type { Affinity, Container, NodeSelectorTerm, Pod, PodSpec, Toleration } from '#api/generated/schema.ts';
import type { Change } from '#api/machinery/define-kind.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { type FieldError, forbiddenField, invalidValue, requiredValue } from '#api/machinery/field-error.ts';
import { type At, keyed } from '#api/machinery/field-path.ts';
import { isBetween } from '#api/machinery/field-rules.ts';
import { differenceOf } from '#api/machinery/unified-diff.ts';
import { validatePodResize } from './resize-rules.ts';
import { validateTolerations } from './scheduling.ts';
import { validateOnlyForPod, validatePodSpec } from './spec-rules.ts';
import { validatePodStatus } from './status-rules.ts';

const FROZEN =
  'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)';
const MAX_SECONDS = 2_147_483_647;

export function validatePodUpdate(change: Change<Pod>): FieldError[] {
  switch (change.subresource) {
    case 'ephemeralcontainers':
      return validateEphemeral(change);
    case 'resize':
      return validatePodResize(change);
    case '':
      return validateMain(change);
    default:
      return [];
  }
}

/** All that is wrong with the pod itself, and then what may not change. */
function validateMain(change: Change<Pod>): FieldError[] {
  const { next, current, at } = change;
  const [now, before] = [next.spec, current.spec];
  if (now === before) return validateAnnotations(change); // it was judged when it was written
  const errors = [
    ...validatePodSpec(now, at.spec, next.metadata),
    ...validateOnlyForPod(now, at.spec),
    ...validateAnnotations(change),
  ];
  for (const list of ['containers', 'initContainers'] as const) {
    const [wanted, had] = [now[list] ?? [], before[list] ?? []];
    if (wanted.length !== had.length)
      return [...errors, forbiddenField(at.spec[list], 'pod updates may not add or remove containers')];
    errors.push(...validateImages(wanted, at.spec[list]));
  }
  const deadline = validateDeadline(now, before, at.spec);
  errors.push(...deadline);
  if (deadline.length > 0 && now.activeDeadlineSeconds !== undefined) return errors;
  errors.push(...validateAddedTolerations(now.tolerations ?? [], before.tolerations ?? [], at.spec));
  errors.push(...validateDeletedGates(now, before, at.spec));
  if (before.schedulingGates?.length) errors.push(...validateGated(now, before, at.spec));
  const allowed = withChangeable(before, now);
  if (isEqual(allowed, now)) return errors;
  return [...errors, forbiddenField(at.spec, `${FROZEN}\n${differenceOf(before, withChangeable(now, before))}`)];
}

const MIRROR = 'kubernetes.io/config.mirror';
const APPARMOR = 'container.apparmor.security.beta.kubernetes.io/';

/** Annotations that say what a pod is, or how it runs, stay. */
function validateAnnotations({ next, current, at }: Change<Pod>): FieldError[] {
  const [now, before] = [next.metadata.annotations ?? {}, current.metadata.annotations ?? {}];
  const isKept = (key: string) => key === MIRROR || key.startsWith(APPARMOR);
  const whatOf = (key: string) => (key === MIRROR ? 'mirror pod annotation' : 'AppArmor annotations');
  const refuse = (key: string, verb: string) =>
    forbiddenField(keyed(at.metadata.annotations, key), `may not ${verb} ${whatOf(key)}`);
  return [
    ...Object.keys(before)
      .filter((key) => isKept(key) && now[key] !== before[key])
      .map((key) => refuse(key, 'remove or update')),
    ...Object.keys(now)
      .filter((key) => isKept(key) && before[key] === undefined)
      .map((key) => refuse(key, 'add')),
  ];
}

/** `before` with everything that an update may touch taken from `now`. */
function withChangeable(before: PodSpec, now: PodSpec): PodSpec {
  const images = (list: readonly Container[], from: readonly Container[]) =>
    list.map((container, i) => ({ ...container, image: from[i]?.image }));
  const isGraceFixed = before.terminationGracePeriodSeconds < 0 && now.terminationGracePeriodSeconds === 1;
  return {
    ...before,
    containers: images(before.containers, now.containers) as Container[],
    ...(before.initContainers && {
      initContainers: images(before.initContainers, now.initContainers ?? []) as Container[],
    }),
    activeDeadlineSeconds: now.activeDeadlineSeconds,
    tolerations: now.tolerations,
    schedulingGates: now.schedulingGates,
    ...(isGraceFixed && { terminationGracePeriodSeconds: 1 }),
    // A gated pod may still be told where to go; that it only becomes stricter is checked apart.
    ...(before.schedulingGates?.length && {
      nodeSelector: now.nodeSelector,
      affinity: withNodeAffinity(before.affinity, now.affinity),
    }),
  };
}

function withNodeAffinity(before: Affinity | undefined, now: Affinity | undefined): Affinity | undefined {
  const { nodeAffinity: _, ...others } = before ?? {};
  if (now?.nodeAffinity) return { ...others, nodeAffinity: now.nodeAffinity };
  return now === undefined && Object.keys(others).length === 0 ? undefined : others;
}

const validateImages = (containers: readonly Container[], at: At<Container[]>): FieldError[] =>
  containers.flatMap(({ image = '' }, index) => {
    if (!image) return [requiredValue(at[index]!.image)];
    return image.trim() === image
      ? []
      : [invalidValue(at[index]!.image, image, 'must not have leading or trailing whitespace')];
  });

function validateDeadline(now: PodSpec, before: PodSpec, at: At<PodSpec>): FieldError[] {
  const [next, current] = [now.activeDeadlineSeconds, before.activeDeadlineSeconds];
  if (next === undefined)
    return current === undefined
      ? []
      : [invalidValue(at.activeDeadlineSeconds, null, 'must not update from a positive integer to nil value')];
  const outside = isBetween(at.activeDeadlineSeconds, next, [0, MAX_SECONDS]);
  if (outside.length > 0) return outside;
  return current !== undefined && next > current
    ? [invalidValue(at.activeDeadlineSeconds, next, 'must be less than or equal to previous value')]
    : [];
}

/** Tolerations are only added, or given another end. */
function validateAddedTolerations(
  now: readonly Toleration[],
  before: readonly Toleration[],
  at: At<PodSpec>,
): FieldError[] {
  const withoutEnd = ({ key, operator, value, effect }: Toleration) => JSON.stringify([key, operator, value, effect]);
  const kept = new Set(now.map(withoutEnd));
  const lost = before.some((old) => !kept.has(withoutEnd(old)));
  return lost
    ? [forbiddenField(at.tolerations, 'existing toleration can not be modified except its tolerationSeconds')]
    : validateTolerations(now, at.tolerations);
}

function validateDeletedGates(now: PodSpec, before: PodSpec, at: At<PodSpec>): FieldError[] {
  const had = new Set((before.schedulingGates ?? []).map(({ name }) => name));
  return (now.schedulingGates ?? []).flatMap(({ name }, i, gates) =>
    had.has(name) || gates.findLastIndex((other) => other.name === name) > i
      ? []
      : [
          forbiddenField(
            at.schedulingGates[i]!.name,
            `only deletion is allowed, but found new scheduling gate '${name}'`,
          ),
        ],
  );
}

/** Where a gated pod may run is only narrowed. */
function validateGated(now: PodSpec, before: PodSpec, at: At<PodSpec>): FieldError[] {
  const isWider = Object.entries(before.nodeSelector ?? {}).some(([key, value]) => now.nodeSelector?.[key] !== value);
  const text = 'only additions to spec.nodeSelector are allowed (no mutations or deletions)';
  return [
    ...(isWider ? [invalidValue(at.nodeSelector, now.nodeSelector ?? null, text)] : []),
    ...validateTerms(termsOf(now), termsOf(before), termsAt(at)),
  ];
}

const termsOf = ({ affinity }: PodSpec): readonly NodeSelectorTerm[] =>
  affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
const termsAt = (at: At<PodSpec>) =>
  at.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms;

function validateTerms(
  now: readonly NodeSelectorTerm[],
  before: readonly NodeSelectorTerm[],
  at: At<NodeSelectorTerm[]>,
): FieldError[] {
  if (before.length > 0 && before.length !== now.length)
    return [
      invalidValue(
        at,
        now.length > 0 ? now : null,
        'no additions/deletions to non-empty NodeSelectorTerms list are allowed',
      ),
    ];
  return before.flatMap((old, i) =>
    hasOnlyMore(now[i]!, old)
      ? []
      : [invalidValue(at[i]!, now[i], 'only additions are allowed (no mutations or deletions)')],
  );
}

/** A term that selects nothing stays one that selects nothing. */
function hasOnlyMore(now: NodeSelectorTerm, before: NodeSelectorTerm): boolean {
  const lists = ['matchExpressions', 'matchFields'] as const;
  const isEmpty = (term: NodeSelectorTerm) => lists.every((list) => !term[list]?.length);
  if (isEmpty(before)) return isEmpty(now);
  return lists.every((list) => {
    const old = before[list] ?? [];
    return isEqual((now[list] ?? []).slice(0, old.length), old);
  });
}

function validateEphemeral({ next, current, at }: Change<Pod>): FieldError[] {
  const wanted = next.spec.ephemeralContainers ?? [];
  const changed = (current.spec.ephemeralContainers ?? []).flatMap((old) => {
    const found = wanted.find(({ name }) => name === old.name);
    if (found && isEqual(found, old)) return [];
    const what = found ? 'changed' : 'removed';
    const text = `existing ephemeral containers ${JSON.stringify(old.name)} may not be ${what}\n${found ? differenceOf(old, found) : ''}`;
    return [forbiddenField(at.spec.ephemeralContainers, text)];
  });
  return [...changed, ...validatePodSpec(next.spec, at.spec, next.metadata), ...validateOnlyForPod(next.spec, at.spec)];
}

export const validatePodStatusUpdate = (change: Change<Pod>): FieldError[] => [
  ...validateAnnotations(change),
  ...validatePodStatus(change),
];
