/** What of a pod may still change: little, for its containers run. Source: "Pod update and replacement". */
import type { Container, ContainerStatus, Pod, PodSpec, Toleration } from '#api/generated/schema.ts';
import type { Change } from '#api/machinery/define-kind.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { type FieldError, forbiddenField, invalidValue, requiredValue } from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { isNotNegative } from '#api/machinery/field-rules.ts';
import { validateTolerations } from './scheduling.ts';
import { validateOnlyForPod, validatePodSpec } from './spec-rules.ts';

const FROZEN =
  'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)';
const FROZEN_WHEN_RESIZED = 'only cpu and memory resources are mutable';

export function validatePodUpdate(change: Change<Pod>): FieldError[] {
  switch (change.subresource) {
    case 'ephemeralcontainers':
      return validateEphemeral(change);
    case 'resize':
      return validateResize(change);
    case '':
      return validateMain(change);
    default:
      return [];
  }
}

function validateMain({ next, current, at }: Change<Pod>): FieldError[] {
  const [now, before] = [next.spec, current.spec];
  const counts = [
    ...(now.containers.length === before.containers.length
      ? []
      : [forbiddenField(at.spec.containers, 'pod updates may not add or remove containers')]),
    ...((now.initContainers ?? []).length === (before.initContainers ?? []).length
      ? []
      : [forbiddenField(at.spec.initContainers, 'pod updates may not add or remove containers')]),
  ];
  if (counts.length > 0) return counts;
  const errors = [
    ...validateImages(now.containers, at.spec.containers),
    ...validateImages(now.initContainers ?? [], at.spec.initContainers),
    ...validateDeadline(now, before, at.spec),
    ...validateAddedTolerations(now.tolerations ?? [], before.tolerations ?? [], at.spec),
    ...validateGates(now, before, at.spec),
  ];
  const allowed = withChangeable(before, now);
  return isEqual(allowed, now) ? errors : [...errors, forbiddenField(at.spec, FROZEN)];
}

/** `before` with everything that an update may touch taken from `now`. */
function withChangeable(before: PodSpec, now: PodSpec): PodSpec {
  const images = (list: readonly Container[], from: readonly Container[]) =>
    list.map((container, i) => ({ ...container, image: from[i]?.image }));
  const gated = (before.schedulingGates ?? []).length > 0;
  const graceFixed = before.terminationGracePeriodSeconds < 0 && now.terminationGracePeriodSeconds === 1;
  return {
    ...before,
    containers: images(before.containers, now.containers) as Container[],
    ...(before.initContainers && {
      initContainers: images(before.initContainers, now.initContainers ?? []) as Container[],
    }),
    activeDeadlineSeconds: now.activeDeadlineSeconds,
    tolerations: now.tolerations,
    schedulingGates: now.schedulingGates,
    ...(graceFixed && { terminationGracePeriodSeconds: 1 }),
    // A gated pod may still be told where to go; that it only becomes stricter is checked apart.
    ...(gated && { nodeSelector: now.nodeSelector, affinity: now.affinity }),
  };
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
      : [invalidValue(at.activeDeadlineSeconds, undefined, 'must not update from a positive integer to nil value')];
  if (next < 0) return isNotNegative(at.activeDeadlineSeconds, next);
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
  const withoutEnd = ({ tolerationSeconds: _, ...toleration }: Toleration) => toleration;
  const lost = before.some((old) => !now.some((toleration) => isEqual(withoutEnd(toleration), withoutEnd(old))));
  return [
    ...(lost
      ? [forbiddenField(at.tolerations, 'existing toleration can not be modified except its tolerationSeconds')]
      : []),
    ...validateTolerations(now, at.tolerations),
  ];
}

function validateGates(now: PodSpec, before: PodSpec, at: At<PodSpec>): FieldError[] {
  const had = new Set((before.schedulingGates ?? []).map(({ name }) => name));
  const added = (now.schedulingGates ?? []).filter(({ name }) => !had.has(name));
  const errors = added.map(({ name }) =>
    forbiddenField(at.schedulingGates, `only deletion is allowed, but found new scheduling gate '${name}'`),
  );
  if (had.size === 0) return errors;
  const selector = Object.entries(before.nodeSelector ?? {});
  if (selector.some(([key, value]) => now.nodeSelector?.[key] !== value))
    errors.push(
      invalidValue(at.nodeSelector, now.nodeSelector ?? {}, 'only additions are allowed (no mutations or deletions)'),
    );
  return errors;
}

function validateEphemeral({ next, current, at }: Change<Pod>): FieldError[] {
  const wanted = next.spec.ephemeralContainers ?? [];
  const changed = (current.spec.ephemeralContainers ?? []).flatMap((old) => {
    const found = wanted.find(({ name }) => name === old.name);
    if (found && isEqual(found, old)) return [];
    const what = found ? 'changed' : 'removed';
    const text = `existing ephemeral containers ${JSON.stringify(old.name)} may not be ${what}\n`;
    return [forbiddenField(at.spec.ephemeralContainers, text)];
  });
  return [...changed, ...validatePodSpec(next.spec, at.spec, next.metadata), ...validateOnlyForPod(next.spec, at.spec)];
}

function validateResize({ next, current, at }: Change<Pod>): FieldError[] {
  const unsized = (spec: PodSpec) => ({
    ...spec,
    resources: undefined,
    containers: spec.containers.map(({ resources: _, resizePolicy: __, ...container }) => container),
    initContainers: (spec.initContainers ?? []).map(({ resources: _, resizePolicy: __, ...container }) => container),
  });
  const errors = isEqual(unsized(next.spec), unsized(current.spec))
    ? []
    : [forbiddenField(at.spec, FROZEN_WHEN_RESIZED)];
  const mutable = (container: Container) => {
    const others = (list: Record<string, string> = {}) =>
      Object.entries(list).filter(([name]) => name !== 'cpu' && name !== 'memory');
    return [others(container.resources?.limits), others(container.resources?.requests)];
  };
  const others = next.spec.containers.flatMap((container, i) => {
    const before = current.spec.containers[i];
    return before && !isEqual(mutable(container), mutable(before))
      ? [forbiddenField(at.spec.containers[i]!.resources, FROZEN_WHEN_RESIZED)]
      : [];
  });
  return [
    ...errors,
    ...others,
    ...validatePodSpec(next.spec, at.spec, next.metadata),
    ...validateOnlyForPod(next.spec, at.spec),
  ];
}

/** A pod stays where it was put, and a container that has come to its end and must not run again stays there. */
export function validatePodStatusUpdate({ next, current, at }: Change<Pod>): FieldError[] {
  const errors: FieldError[] = [];
  const nominated = next.status?.nominatedNodeName;
  if (nominated && nominated.length > 253)
    errors.push(invalidValue(at.status.nominatedNodeName, nominated, 'must be no more than 253 characters'));
  const stays = ({ state }: ContainerStatus) => {
    const exit = state?.terminated?.exitCode;
    if (exit === undefined || current.spec.restartPolicy === 'Always') return false;
    return current.spec.restartPolicy === 'Never' || exit === 0;
  };
  for (const [index, old] of (current.status?.containerStatuses ?? []).entries()) {
    const declared = current.spec.containers.find(({ name }) => name === old.name);
    const found = next.status?.containerStatuses?.find(({ name }) => name === old.name);
    if (!stays(old) || !found || found.state?.terminated) continue;
    if (declared?.restartPolicy || declared?.restartPolicyRules) continue;
    const text = 'may not be transitioned to non-terminated state';
    errors.push(forbiddenField(at.status.containerStatuses[index]!.state, text));
  }
  return errors;
}
