/** What of a pod that runs may be resized: CPU and memory of what it has, and not what it counts as. Source: KEP-1287. */
import type { Container, Pod, PodSpec, ResourceRequirements } from '#api/generated/schema.ts';
import type { Change } from '#api/machinery/define-kind.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { type FieldError, forbiddenField, invalidValue } from '#api/machinery/field-error.ts';
import { type At, root } from '#api/machinery/field-path.ts';
import { differenceOf } from '#api/machinery/unified-diff.ts';
import { qosClassOf } from '../pod-qos.ts';
import { validateOnlyForPod, validatePodSpec } from './spec-rules.ts';

const MIRROR = 'kubernetes.io/config.mirror';
const CLASS = 'Pod QOS Class may not change as a result of resizing';
const NODE = 'Pod running on node without support for resize';
const FROZEN = 'only cpu and memory resources are mutable';

/** Of the same containers in the same order: others cannot be sent here. */
export function validatePodResize({ next, current, at }: Change<Pod>): FieldError[] {
  if (current.metadata.annotations?.[MIRROR] !== undefined)
    return [forbiddenField(root(), 'static pods cannot be resized')];
  if (current.spec.os?.name === 'windows') return [forbiddenField(root(), 'windows pods cannot be resized')];
  const qosClass = current.status?.qosClass || qosClassOf(current);
  const errors = [
    ...validatePodSpec(next.spec, at.spec, next.metadata),
    ...validateOnlyForPod(next.spec, at.spec),
    ...(qosClass === qosClassOf(next) ? [] : [invalidValue(at.spec, qosClass, CLASS)]),
    ...(canBeResized(current) ? [] : [forbiddenField(at.spec, NODE)]),
    ...validateKept(next.spec.resources, current.spec.resources, at.spec.resources),
  ];
  for (const list of ['initContainers', 'containers'] as const)
    for (const [index, { resources }] of (current.spec[list] ?? []).entries())
      errors.push(...validateKept(next.spec[list]?.[index]?.resources, resources, at.spec[list][index]!.resources));
  const allowed = withComputeOf(current.spec, next.spec);
  if (isEqual(allowed, next.spec)) return errors;
  return [...errors, forbiddenField(at.spec, `${FROZEN}\n${differenceOf(allowed, next.spec)}`)];
}

/** A container that runs says what it has, where its kubelet knows of resizing. */
function canBeResized({ status }: Pod): boolean {
  const running = (status?.containerStatuses ?? []).find(({ state }) => state?.running);
  return running === undefined || running.resources !== undefined;
}

function validateKept(
  now: ResourceRequirements | undefined,
  before: ResourceRequirements | undefined,
  at: At<ResourceRequirements>,
): FieldError[] {
  return (['requests', 'limits'] as const).flatMap((part) => {
    const isLost = Object.keys(before?.[part] ?? {}).some((name) => now?.[part]?.[name] === undefined);
    return isLost ? [forbiddenField(at[part], `resource ${part} cannot be removed`)] : [];
  });
}

/** `before` with the CPU, the memory and the policies of `now`. */
function withComputeOf(before: PodSpec, now: PodSpec): PodSpec {
  const sized = (list: readonly Container[], from: readonly Container[]): Container[] =>
    list.map((container, i) => {
      const { resources, resizePolicy } = from[i] ?? {};
      const { resizePolicy: _, ...rest } = container;
      return {
        ...rest,
        ...withCompute(container.resources, resources),
        ...(resizePolicy && { resizePolicy }),
      } as Container;
    });
  return {
    ...before,
    ...withCompute(before.resources, now.resources),
    containers: sized(before.containers, now.containers),
    ...(before.initContainers && { initContainers: sized(before.initContainers, now.initContainers ?? []) }),
  };
}

function withCompute(
  before: ResourceRequirements | undefined,
  now: ResourceRequirements | undefined,
): { resources?: ResourceRequirements } {
  if (!before && !now) return {};
  const amounts = (part: 'requests' | 'limits') => {
    const others = Object.entries(before?.[part] ?? {}).filter(([name]) => !isCompute(name));
    const compute = Object.entries(now?.[part] ?? {}).filter(([name]) => isCompute(name));
    const all = Object.fromEntries([...others, ...compute]);
    return now?.[part] || Object.keys(all).length > 0 ? { [part]: all } : {};
  };
  return { resources: { ...before, ...amounts('requests'), ...amounts('limits') } };
}

const isCompute = (name: string): boolean => name === 'cpu' || name === 'memory';
