/** What containers may ask for, and how much. Source: "Resource Management for Pods and Containers". */
import type { ResourceRequirements } from '#api/generated/schema.ts';
import {
  duplicateValue,
  type FieldError,
  invalidValue,
  notFoundValue,
  requiredValue,
} from '#api/machinery/field-error.ts';
import { type At, keyed, type Path } from '#api/machinery/field-path.ts';
import { qualifiedName } from '#api/machinery/names.ts';
import { compareQuantities, parseQuantity } from '#api/machinery/quantity.ts';

const STANDARD = ['cpu', 'memory', 'ephemeral-storage'];
const HUGE_PAGES = 'hugepages-';
const NANOS = 1_000_000_000n;

/** In whole units only, and never more promised than there is. */
const isExtended = (name: string): boolean =>
  name.includes('/') && !/(^|\.)kubernetes\.io\//.test(name) && !name.startsWith('requests.');

export function validateResources(
  resources: ResourceRequirements,
  at: At<ResourceRequirements>,
  podClaims: readonly string[] = [],
): FieldError[] {
  const { limits = {}, requests = {}, claims = [] } = resources;
  const errors = Object.entries(limits).flatMap(([name, amount]) =>
    validateAmount(name, amount, keyed(at.limits, name)),
  );
  for (const [name, amount] of Object.entries(requests)) {
    errors.push(...validateAmount(name, amount, keyed(at.requests, name)));
    const limit = limits[name];
    const whole = isExtended(name) || name.startsWith(HUGE_PAGES);
    if (limit !== undefined) {
      const difference = compareQuantities(amount, limit);
      if (difference !== 0 && whole)
        errors.push(invalidValue(at.requests, amount, `must be equal to ${name} limit of ${limit}`));
      else if (difference > 0)
        errors.push(invalidValue(at.requests, amount, `must be less than or equal to ${name} limit of ${limit}`));
    } else if (whole) errors.push(requiredValue(at.limits, 'Limit must be set for non overcommitable resources'));
  }
  for (const [index, { name }] of claims.entries()) {
    const here = at.claims[index]!;
    if (!name) errors.push(requiredValue(here.name));
    else if (!podClaims.includes(name)) errors.push(notFoundValue(here.name, name));
    else if (claims.findIndex((claim) => claim.name === name) < index) errors.push(duplicateValue(here, name));
  }
  return errors;
}

function validateAmount(name: string, amount: string, at: Path): FieldError[] {
  const complaints = qualifiedName(name);
  if (complaints.length > 0) return complaints.map((text) => invalidValue(at, name, text));
  if (!name.includes('/') && !STANDARD.includes(name) && !name.startsWith(HUGE_PAGES))
    return [invalidValue(at, name, 'must be a standard resource for containers')];
  const quantity = parseQuantity(amount);
  if (!quantity) return [];
  if (quantity.nanos < 0n) return [invalidValue(at, amount, 'must be greater than or equal to 0')];
  const mustBeWhole = isExtended(name);
  return mustBeWhole && quantity.nanos % NANOS !== 0n ? [invalidValue(at, amount, 'must be an integer')] : [];
}
