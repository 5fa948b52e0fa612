/** What containers, and pods as a whole, may ask for, and how much. Source: "Resource Management for Pods and Containers". */
import type { ResourceClaim, ResourceRequirements } from '#api/generated/schema.ts';
import {
  duplicateValue,
  type FieldError,
  forbiddenField,
  invalidValue,
  notFoundValue,
  requiredValue,
} from '#api/machinery/field-error.ts';
import { type At, keyed, type Path } from '#api/machinery/field-path.ts';
import { follows } from '#api/machinery/field-rules.ts';
import { dns1123Label } from '#api/machinery/names.ts';
import { compareQuantities, parseQuantity } from '#api/machinery/quantity.ts';
import {
  isExtendedResource,
  isHugePages,
  validateContainerResourceName,
  validateResourceAmount,
} from '../resource-names.ts';

interface ResourceRules {
  podClaims?: readonly string[];
  validateName?: (name: string, at: Path) => FieldError[];
}

export function validateResources(
  resources: ResourceRequirements,
  at: At<ResourceRequirements>,
  { podClaims = [], validateName = validateContainerResourceName }: ResourceRules = {},
): FieldError[] {
  const { limits = {}, requests = {}, claims = [] } = resources;
  const validateEntry = (name: string, amount: string, here: Path) => [
    ...validateName(name, here),
    ...validateResourceAmount(name, amount, here),
  ];
  const errors: FieldError[] = [];
  for (const [name, amount] of Object.entries(limits)) {
    const here = keyed(at.limits, name);
    errors.push(...validateEntry(name, amount, here), ...validateHugePages(name, amount, here));
  }
  for (const [name, amount] of Object.entries(requests)) {
    const here = keyed(at.requests, name);
    errors.push(...validateEntry(name, amount, here));
    errors.push(...validateAgainstLimit(name, amount, limits, at), ...validateHugePages(name, amount, here));
  }
  const names = [...Object.keys(limits), ...Object.keys(requests)];
  if (names.some(isHugePages) && !names.includes('cpu') && !names.includes('memory'))
    errors.push(forbiddenField(at, 'HugePages require cpu or memory'));
  return [...errors, ...validateClaims(claims, podClaims, at.claims)];
}

function validateAgainstLimit(
  name: string,
  amount: string,
  limits: Readonly<Record<string, string>>,
  at: At<ResourceRequirements>,
): FieldError[] {
  const limit = limits[name];
  const isNeverShared = isExtendedResource(name) || isHugePages(name);
  if (limit === undefined)
    return isNeverShared ? [requiredValue(at.limits, 'Limit must be set for non overcommitable resources')] : [];
  const difference = compareQuantities(amount, limit);
  if (difference !== 0 && isNeverShared)
    return [invalidValue(at.requests, amount, `must be equal to ${name} limit of ${limit}`)];
  if (difference > 0)
    return [invalidValue(at.requests, amount, `must be less than or equal to ${name} limit of ${limit}`)];
  return [];
}

function validateHugePages(name: string, amount: string, at: Path): FieldError[] {
  if (!isHugePages(name)) return [];
  const size = parseQuantity(name.slice('hugepages-'.length))?.nanos ?? 0n;
  const asked = parseQuantity(amount)?.nanos ?? 0n;
  if (size > 0n && asked >= 0n && asked % size === 0n) return [];
  return [invalidValue(at, amount, `${amount} is not positive integer multiple of ${name}`)];
}

/** A claim as a whole, or requests of it: nothing of a claim twice. */
function validateClaims(
  claims: readonly ResourceClaim[],
  podClaims: readonly string[],
  at: At<ResourceClaim[]>,
): FieldError[] {
  const seen = new Set<string>();
  const withRequest = new Set<string>();
  const named = new Set(podClaims);
  const known = podClaims.length > 0 ? `: ${[...new Set(podClaims)].sort().join(', ')}` : ' which is empty';
  return claims.flatMap(({ name, request }, index) => {
    const here = at[index]!;
    if (!name) return [requiredValue(here)];
    const errors: FieldError[] = [];
    if (seen.has(name)) errors.push(duplicateValue(here, name));
    else {
      const key = request ? `${name}/${request}` : name;
      if (request) errors.push(...follows(here.request, request, dns1123Label));
      const overlaps = !request && withRequest.has(name);
      if (seen.has(key) || overlaps) errors.push(duplicateValue(here, key));
      seen.add(key);
      if (request) withRequest.add(name);
    }
    if (!named.has(name))
      errors.push(notFoundValue(here, name, `must be one of the names in pod.spec.resourceClaims${known}`));
    return errors;
  });
}
