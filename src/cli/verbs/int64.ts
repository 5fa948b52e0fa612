/** What Go takes for an int64; undefined for other text. From 2^53 on a number cannot tell one from the next. */
export function int64In(text: string): bigint | undefined {
  if (!/^[-+]?\d+$/.test(text)) return undefined;
  const value = BigInt(text);
  return BigInt.asIntN(64, value) === value ? value : undefined;
}

/** For sorting, the least first. */
export const bigintOrder = (a: bigint, b: bigint): number => (a < b ? -1 : Number(a > b));
