/** `--sort-by`: quantities by amount, other text by its bytes. Source: kubectl get, sorter. */
import { compareQuantities, isQuantity } from '#api/machinery/quantity.ts';
import { VerbError } from '../verb-error.ts';
import { JsonPathTemplate, relaxedPath } from './json-path-template.ts';

/** A new list; stable, but what lacks the field comes first, the last of it before the others. Throws VerbError when no object has the field. */
export function sortedBy<T>(items: readonly T[], field: string, objectOf: (item: T) => unknown): T[] {
  if (items.length <= 1) return [...items]; // there is nothing to sort, whatever the field
  const path = relaxedPath(field);
  const template = new JsonPathTemplate(path);
  const keyed = items.map((item) => ({ item, key: template.find(objectOf(item))[0] }));
  if (keyed.every(({ key }) => key === undefined))
    throw new VerbError(`couldn't find any field with path ${JSON.stringify(path)} in the list of objects`);
  // kubectl finds either of two that lack the field less than the other, which turns them about.
  const lacking = keyed.filter(({ key }) => key === undefined).reverse();
  const having = keyed.filter(({ key }) => key !== undefined).sort((a, b) => compare(a.key, b.key));
  return [...lacking, ...having].map(({ item }) => item);
}

/** null comes first. */
function compare(a: unknown, b: unknown): number {
  if (a === null || b === null) return Number(b === null) - Number(a === null);
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  const [x, y] = [String(a), String(b)];
  if (isQuantity(x) && isQuantity(y)) return compareQuantities(x, y);
  return Buffer.compare(Buffer.from(x), Buffer.from(y));
}
