import { isJsonObject, type Json } from './json-value.ts';

/** As Go prints a value (`%+v`): `map[a:1 b:[x y]]`. Upstream shows some values to clients so. */
export function goText(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(goText).join(' ')}]`;
  if (!isJsonObject(value)) return value === null ? '<nil>' : String(value);
  const names = Object.keys(value).sort();
  return `map[${names.map((name) => `${name}:${goText(value[name]!)}`).join(' ')}]`;
}
