/**
 * The strategic merge patch that leads from one object to another, as kubectl makes it: what others change in the meantime
 * stays, and the server tells of it in its words. Source: apimachinery, strategicpatch, CreateTwoWayMergePatch.
 */
import type { Facts, FieldFacts, TypeFacts, TypeRef } from '#api/machinery/facts.ts';
import { fieldOf, isJsonObject, type Json, type JsonObject, objectOf } from '#api/machinery/json-value.ts';
import { compactJson } from './output/json.ts';

/** Empty when they are the same. */
export const strategicPatchBetween = (
  from: JsonObject,
  to: JsonObject,
  { type, facts }: { type: TypeFacts; facts: Facts },
): JsonObject => new Differ(facts).objects(from, to, { type, retains: false });

/** Of an object, or of the objects in a list. */
interface Shape {
  type: TypeFacts | undefined;
  /** It is a union of which one member stands: fields that are not told go. */
  retains: boolean;
}

const isSame = (a: Json | undefined, b: Json | undefined): boolean => compactJson(a) === compactJson(b);
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

class Differ {
  readonly #facts: Facts;

  constructor(facts: Facts) {
    this.#facts = facts;
  }

  objects(from: JsonObject, to: JsonObject, { type, retains }: Shape): JsonObject {
    const patch = new Map<string, Json>();
    for (const [key, before] of Object.entries(from)) {
      if (!Object.hasOwn(to, key)) patch.set(key, null);
      else for (const change of this.#field(key, [before, to[key]!], type?.jsonFields.get(key))) patch.set(...change);
    }
    for (const [key, value] of Object.entries(to)) if (!Object.hasOwn(from, key)) patch.set(key, value);
    const kept = retains ? Object.keys(to).filter((key) => to[key] !== null) : [];
    if (kept.length > 0 && patch.size > 0) patch.set('$retainKeys', kept.sort(compare));
    return objectOf(patch);
  }

  #field(key: string, [from, to]: [Json, Json], field: FieldFacts | undefined): [string, Json][] {
    const strategy = field?.patchStrategy ?? [];
    const retains = strategy.includes('retainKeys');
    if (isJsonObject(from) && isJsonObject(to) && !strategy.includes('replace')) {
      const inner = this.objects(from, to, { type: this.#typeOf(field?.type), retains });
      return Object.keys(inner).length > 0 ? [[key, inner]] : [];
    }
    if (Array.isArray(from) && Array.isArray(to) && strategy.includes('merge'))
      return this.#list(key, {
        from,
        to,
        mergeKey: field?.patchMergeKey,
        of: { type: this.#typeOf(field?.type), retains },
      });
    return isSame(from, to) ? [] : [[key, to]];
  }

  #list(key: string, lists: Lists): [string, Json][] {
    const { from, to, mergeKey } = lists;
    if (from.length === 0) return to.length > 0 ? [[key, [...to]]] : [];
    if (mergeKey === undefined || ![...from, ...to].some(isJsonObject)) return scalars(key, lists);
    const keys = (items: readonly Json[]) => items.map((item) => fieldOf(item as JsonObject, mergeKey) ?? null);
    const changes = this.#elements(lists, mergeKey);
    if (changes.length === 0 && isSame(keys(from), keys(to))) return [];
    const order = keys(to).map((value) => objectOf([[mergeKey, value]]));
    return [...entryUnlessEmpty(key, changes), ...entryUnlessEmpty(`$setElementOrder/${key}`, order)];
  }

  /** What changes and what is new stands as it is to stand; behind it what goes. */
  #elements({ from, to, of }: Lists, mergeKey: string): JsonObject[] {
    const keyOf = (item: Json): Json => fieldOf(item as JsonObject, mergeKey) ?? null;
    const sameIn = (list: readonly Json[], item: Json) => list.find((other) => isSame(keyOf(other), keyOf(item)));
    const changed = to.flatMap((item): JsonObject[] => {
      const before = sameIn(from, item);
      if (before === undefined) return [item as JsonObject];
      const patch = this.objects(before as JsonObject, item as JsonObject, of);
      return Object.keys(patch).length > 0 ? [objectOf([...Object.entries(patch), [mergeKey, keyOf(item)]])] : [];
    });
    const gone = from
      .filter((item) => sameIn(to, item) === undefined)
      .sort((a, b) => compare(String(keyOf(a)), String(keyOf(b))))
      .map((item) => objectOf([['$patch', 'delete'] as [string, Json], [mergeKey, keyOf(item)]]));
    return [...changed, ...gone];
  }

  #typeOf(type: TypeRef | undefined): TypeFacts | undefined {
    if (type && 'ref' in type) return this.#facts.type(type.ref);
    return type && 'list' in type ? this.#typeOf(type.list) : undefined;
  }
}

interface Lists {
  from: readonly Json[];
  to: readonly Json[];
  mergeKey: string | undefined;
  of: Shape;
}

function scalars(key: string, { from, to }: Lists): [string, Json][] {
  if (isSame([...from], [...to])) return [];
  const added = to.filter((item) => !from.includes(item));
  const gone = [...new Set(from.filter((item) => !to.includes(item)))].sort((a, b) => compare(String(a), String(b)));
  return [
    ...entryUnlessEmpty(key, added),
    ...entryUnlessEmpty(`$deleteFromPrimitiveList/${key}`, gone),
    ...entryUnlessEmpty(`$setElementOrder/${key}`, [...to]),
  ];
}

const entryUnlessEmpty = (key: string, items: readonly Json[]): [string, Json][] =>
  items.length > 0 ? [[key, [...items]]] : [];
