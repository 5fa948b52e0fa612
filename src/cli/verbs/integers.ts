/** Whole numbers, as Go reads them. */

/** undefined for other text. From 2^53 on a number cannot tell one from the next. */
export function int64In(text: string): bigint | undefined {
  if (!/^[-+]?\d+$/.test(text)) return undefined;
  const value = BigInt(text);
  return BigInt.asIntN(64, value) === value ? value : undefined;
}

/** undefined for other text. */
export function int32In(text: string): number | undefined {
  const value = int64In(text);
  return value !== undefined && BigInt.asIntN(32, value) === value ? Number(value) : undefined;
}

/** As apimachinery's intstr takes it: a text is what is no int32. */
export const intOrStringIn = (text: string): number | string => int32In(text) ?? text;

/** For sorting, the least first. */
export const bigintOrder = (a: bigint, b: bigint): number => (a < b ? -1 : Number(a > b));
