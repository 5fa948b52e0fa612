/** Names of resources and their amounts, in containers, pods, limits and quotas. Source: "Resource Management", "Resource Quotas". */
import { type FieldError, invalidValue } from '#api/machinery/field-error.ts';
import type { Path } from '#api/machinery/field-path.ts';
import { follows, isNotNegativeQuantity } from '#api/machinery/field-rules.ts';
import { qualifiedName } from '#api/machinery/names.ts';
import { parseQuantity } from '#api/machinery/quantity.ts';

const CONTAINER_RESOURCES = ['cpu', 'memory', 'ephemeral-storage'];
/** Counted by a quota under these short names; any other kind as `count/<resource>.<group>`. */
export const COUNTED_OBJECTS = [
  'pods',
  'resourcequotas',
  'services',
  'replicationcontrollers',
  'secrets',
  'configmaps',
  'persistentvolumeclaims',
  'services.nodeports',
  'services.loadbalancers',
];
const QUOTA_RESOURCES = new Set([
  ...CONTAINER_RESOURCES.flatMap((name) => [name, `requests.${name}`, `limits.${name}`]),
  'requests.storage',
  ...COUNTED_OBJECTS,
]);
const HUGE_PAGES = 'hugepages-';
const NANOS = 1_000_000_000n;

export const isHugePages = (name: string): boolean => name.startsWith(HUGE_PAGES);
const isQuotaHugePages = (name: string) => isHugePages(name) || name.startsWith(`requests.${HUGE_PAGES}`);
const isNative = (name: string) => !name.includes('/') || name.includes('kubernetes.io/');

/** Of a vendor: asked for in whole units, and never more promised than there is. */
export const isExtendedResource = (name: string): boolean =>
  !isNative(name) && !name.startsWith('requests.') && qualifiedName(`requests.${name}`).length === 0;

export const isQuotaResource = (name: string): boolean => QUOTA_RESOURCES.has(name) || isQuotaHugePages(name);

export function validateResourceName(name: string, at: Path): FieldError[] {
  const errors = follows(at, name, qualifiedName);
  if (errors.length > 0 || name.includes('/') || name === 'storage' || isQuotaResource(name)) return errors;
  return [invalidValue(at, name, 'must be a standard resource type or fully qualified')];
}

export function validateContainerResourceName(name: string, at: Path): FieldError[] {
  const errors = validateResourceName(name, at);
  if (!name.includes('/')) {
    if (!CONTAINER_RESOURCES.includes(name) && !isHugePages(name))
      errors.push(invalidValue(at, name, 'must be a standard resource for containers'));
  } else if (!isNative(name) && !isExtendedResource(name))
    errors.push(invalidValue(at, name, "doesn't follow extended resource name standard"));
  return errors;
}

export function validateQuotaResourceName(name: string, at: Path): FieldError[] {
  const errors = validateResourceName(name, at);
  if (!name.includes('/') && !isQuotaResource(name))
    errors.push(invalidValue(at, name, 'must be a standard resource for quota'));
  return errors;
}

export function validateResourceAmount(name: string, amount: string, at: Path): FieldError[] {
  const errors = isNotNegativeQuantity(at, amount);
  const isWhole = (parseQuantity(amount)?.nanos ?? 0n) % NANOS === 0n;
  if (!isWhole && (COUNTED_OBJECTS.includes(name) || isExtendedResource(name)))
    errors.push(invalidValue(at, amount, 'must be an integer'));
  return errors;
}
