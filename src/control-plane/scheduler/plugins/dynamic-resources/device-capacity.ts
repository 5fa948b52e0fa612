/**
 * What a request takes of a device that several may have at once. Amounts are billionths, by capacity. Source: API reference,
 * CapacityRequestPolicy; KEP-5075.
 */
import type { CapacityRequestPolicy, Device, DeviceCapacity } from '#api/generated/schema.ts';
import { formatQuantity, parseQuantity } from '#api/machinery/quantity.ts';

export type Consumed = ReadonlyMap<string, bigint>;

const nanos = (text: string): bigint => parseQuantity(text)?.nanos ?? 0n;

/** undefined when the device cannot give it, however free it is. */
export function consumedBy(
  requests: Readonly<Record<string, string>> | undefined,
  { capacity = {} }: Device,
): Consumed | undefined {
  if (Object.keys(requests ?? {}).some((name) => !Object.hasOwn(capacity, name))) return undefined;
  const consumed = new Map<string, bigint>();
  for (const [name, given] of Object.entries(capacity)) {
    const amount = amountOf(requests?.[name], given);
    if (violates(amount, given.requestPolicy)) return undefined;
    consumed.set(name, amount);
  }
  return consumed;
}

export const hasLeft = ({ capacity = {} }: Device, taken: Consumed, more: Consumed): boolean =>
  [...more].every(([name, amount]) => (taken.get(name) ?? 0n) + amount <= nanos(capacity[name]?.value ?? '0'));

export const plusConsumed = (a: Consumed, b: Consumed): Map<string, bigint> => {
  const sum = new Map(a);
  for (const [name, amount] of b) sum.set(name, (sum.get(name) ?? 0n) + amount);
  return sum;
};

export const consumedFrom = (amounts: Readonly<Record<string, string>>): Consumed =>
  new Map(Object.entries(amounts).map(([name, amount]) => [name, nanos(amount)]));

/** Written as the device's own capacity is. */
export const formatConsumed = (consumed: Consumed, { capacity = {} }: Device): Record<string, string> =>
  Object.fromEntries(
    [...consumed].map(([name, amount]) => {
      const format = parseQuantity(capacity[name]?.value ?? '0')?.format ?? 'DecimalSI';
      return [name, formatQuantity({ nanos: amount, format })];
    }),
  );

/** Rounded up to what the policy allows; all of it when nothing is said. */
function amountOf(asked: string | undefined, { value, requestPolicy }: DeviceCapacity): bigint {
  if (asked === undefined) return nanos(requestPolicy?.default ?? value);
  const amount = nanos(asked);
  const { validRange, validValues } = requestPolicy ?? {};
  if (validRange?.min !== undefined) {
    const least = nanos(validRange.min);
    if (amount < least) return least;
    if (validRange.step === undefined) return amount;
    const step = nanos(validRange.step);
    return least + ((amount - least + step - 1n) / step) * step;
  }
  return validValues?.map(nanos).find((valid) => amount <= valid) ?? amount;
}

function violates(amount: bigint, policy: CapacityRequestPolicy | undefined): boolean {
  if (!policy || (policy.default !== undefined && amount === nanos(policy.default))) return false;
  const { validRange, validValues } = policy;
  if (validRange) {
    if (validRange.max !== undefined && amount > nanos(validRange.max)) return true;
    return validRange.step !== undefined && (amount - nanos(validRange.min ?? '0')) % nanos(validRange.step) !== 0n;
  }
  return Boolean(validValues?.length) && !validValues?.some((valid) => nanos(valid) === amount);
}
