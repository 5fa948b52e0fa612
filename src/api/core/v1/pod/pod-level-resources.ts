/** What a pod as a whole may use, beside what its containers say. Source: KEP-2837. */
import type { PodSpec, ResourceRequirements } from '#api/generated/schema.ts';
import { type FieldError, forbiddenField, invalidValue, notSupportedValue } from '#api/machinery/field-error.ts';
import { type At, keyed, type Path } from '#api/machinery/field-path.ts';
import { compareQuantities } from '#api/machinery/quantity.ts';
import { podRequests } from '../pod-resources.ts';
import { isHugePages, validateResourceName } from '../resource-names.ts';
import { validateResources } from './resources.ts';

const SUPPORTED = ['cpu', 'hugepages-', 'memory'];

export function validatePodResources(spec: PodSpec, at: At<PodSpec>): FieldError[] {
  const { resources } = spec;
  if (!resources) return [];
  const here = at.resources;
  if (spec.os?.name === 'windows') return [forbiddenField(here, 'may not be set for a windows pod')];
  const podClaims = spec.resourceClaims?.map(({ name }) => name) ?? [];
  return [
    ...(resources.claims ? [forbiddenField(here.claims, 'claims may not be set for Resources at pod-level')] : []),
    ...validateResources(resources, here, { podClaims, validateName }),
    ...validateAgainstContainers(spec, resources, here),
  ];
}

function validateName(name: string, at: Path): FieldError[] {
  const errors = validateResourceName(name, at);
  if (errors.length > 0) return errors;
  return SUPPORTED.includes(name) || isHugePages(name) ? [] : [notSupportedValue(at, name, SUPPORTED)];
}

function validateAgainstContainers(
  spec: PodSpec,
  { requests = {}, limits = {} }: ResourceRequirements,
  at: At<ResourceRequirements>,
): FieldError[] {
  const { resources: _ofPod, overhead: _overhead, ...ofContainers } = spec;
  const needed = podRequests(ofContainers as PodSpec);
  const tooSmall = Object.entries(requests).flatMap(([name, amount]) => {
    const all = needed[name];
    if (all === undefined || compareQuantities(all, amount) <= 0) return [];
    const text = `must be greater than or equal to aggregate container requests of ${all}`;
    return [invalidValue(keyed(at.requests, name), amount, text)];
  });
  const tooLarge = spec.containers.flatMap(({ resources }, i) =>
    Object.entries(resources?.limits ?? {}).flatMap(([name, amount]) => {
      const limit = limits[name];
      if (limit === undefined || compareQuantities(amount, limit) <= 0) return [];
      const where = `${String(at)}.containers[${i}][${name}].limits`;
      return [invalidValue(where, amount, `must be less than or equal to pod limits of ${limit}`)];
    }),
  );
  return [...tooSmall, ...tooLarge];
}
