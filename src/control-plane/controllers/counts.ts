/** Zeros are left out of a status, as upstream's omitempty does: a status that is compared must look like the stored one. */
export const withoutZeros = <T extends Record<string, number>>(counts: T): Partial<T> =>
  Object.fromEntries(Object.entries(counts).filter(([, count]) => count !== 0)) as Partial<T>;
