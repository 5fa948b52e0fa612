/** Amounts by the name of what is counted: `{ pods: '1', 'requests.cpu': '500m' }`. Pure arithmetic on them. */
import { addQuantities, compareQuantities, subtractQuantities } from '#api/machinery/quantity.ts';

export type Amounts = Readonly<Record<string, string>>;

const mapped = (amounts: Amounts, of: (name: string, amount: string) => string | undefined): Record<string, string> => {
  const result: Record<string, string> = {};
  for (const [name, amount] of Object.entries(amounts)) {
    const value = of(name, amount);
    if (value !== undefined) result[name] = value;
  }
  return result;
};

/** Of `amounts`, those with one of the names. */
export const masked = (amounts: Amounts, names: readonly string[]): Record<string, string> =>
  mapped(amounts, (name, amount) => (names.includes(name) ? amount : undefined));

/** What either has, together. */
export const added = (a: Amounts, b: Amounts): Record<string, string> => ({
  ...b,
  ...mapped(a, (name, amount) => (b[name] === undefined ? amount : addQuantities(amount, b[name]))),
});

/** What `a` has, less what `b` has of it; never below zero. */
export const subtracted = (a: Amounts, b: Amounts): Record<string, string> =>
  mapped(a, (name, amount) => {
    const rest = subtractQuantities(amount, b[name] ?? '0');
    return compareQuantities(rest, '0') < 0 ? '0' : rest;
  });

export const withoutZeros = (amounts: Amounts): Record<string, string> =>
  mapped(amounts, (_, amount) => (compareQuantities(amount, '0') === 0 ? undefined : amount));

/** The names of which `a` has more than `limit` allows; what has no limit may be anything. Sorted. */
export const exceeding = (a: Amounts, limit: Amounts): string[] =>
  Object.keys(a)
    .filter((name) => limit[name] !== undefined && compareQuantities(a[name], limit[name]) > 0)
    .sort();

export const negativeNames = (amounts: Amounts): string[] =>
  Object.keys(amounts)
    .filter((name) => compareQuantities(amounts[name], '0') < 0)
    .sort();

/** Equal amounts under equal names, however they are written. */
export const isSameAmounts = (a: Amounts, b: Amounts): boolean => {
  const names = Object.keys(a);
  if (names.length !== Object.keys(b).length) return false;
  return names.every((name) => b[name] !== undefined && compareQuantities(a[name], b[name]) === 0);
};

/** `pods=1,requests.cpu=500m`, sorted. */
export const formatAmounts = (amounts: Amounts): string =>
  Object.keys(amounts)
    .sort()
    .map((name) => `${name}=${amounts[name]}`)
    .join(',');
