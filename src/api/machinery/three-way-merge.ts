/**
 * What `apply` makes of an object: what was applied last time and is gone now goes, what is applied now is set, and what
 * others wrote stays. Lists are merged as a strategic merge patch merges them where the facts of the type say so; without a
 * type every list is one value. Source: "Declarative Management of Kubernetes Objects", how apply calculates differences.
 */
import type { Facts, FieldFacts, TypeFacts, TypeRef } from './facts.ts';
import { isEqual } from './equal.ts';
import { fieldOf, isJsonObject, type Json, type JsonObject, objectOf } from './json-value.ts';
import { inOrder } from './strategic-merge-patch.ts';

export interface ThreeWay {
  /** What was applied last time; undefined when nothing was. */
  original: JsonObject | undefined;
  /** What is applied now. */
  modified: JsonObject;
  /** As it is stored. */
  current: JsonObject;
}

export const threeWayMerge = (
  of: ThreeWay,
  { type, facts }: { type: TypeFacts | undefined; facts: Facts },
): JsonObject => new ThreeWayMerger(facts).object(of, type);

interface Values {
  original: Json | undefined;
  modified: Json;
  current: Json | undefined;
}

class ThreeWayMerger {
  readonly #facts: Facts;

  constructor(facts: Facts) {
    this.#facts = facts;
  }

  object({ original, modified, current }: ThreeWay, type: TypeFacts | undefined): JsonObject {
    const result = new Map<string, Json>();
    for (const [key, value] of Object.entries(current)) {
      const isApplied = Object.hasOwn(modified, key);
      const wasApplied = original !== undefined && Object.hasOwn(original, key);
      if (!isApplied && !wasApplied) result.set(key, value);
    }
    for (const [key, value] of Object.entries(modified)) {
      if (value === null) continue;
      const values = { original: original && fieldOf(original, key), modified: value, current: fieldOf(current, key) };
      result.set(key, this.#value(values, this.#fieldOf(type, key)));
    }
    return inOrderOf(current, result);
  }

  #value({ original, modified, current }: Values, field: FieldFacts | undefined): Json {
    const strategy = field?.patchStrategy ?? [];
    if (Array.isArray(modified)) {
      if (!strategy.includes('merge') || !Array.isArray(current)) return withoutNulls(modified);
      const was = Array.isArray(original) ? original : [];
      return this.#list({ original: was, modified, current }, field!);
    }
    if (!isJsonObject(modified)) return modified;
    if (!isJsonObject(current) || strategy.includes('replace')) return withoutNulls(modified);
    const was = isJsonObject(original) ? original : undefined;
    const merged = this.object({ original: was, modified, current }, this.#typeOf(field?.type));
    if (!strategy.includes('retainKeys') || isEqual(merged, current)) return merged;
    return objectOf(Object.entries(merged).filter(([key]) => Object.hasOwn(modified, key)));
  }

  #list(
    { original, modified, current }: { original: readonly Json[]; modified: readonly Json[]; current: readonly Json[] },
    field: FieldFacts,
  ): Json {
    const { patchMergeKey: mergeKey } = field;
    const isOfObjects = [...modified, ...current].some(isJsonObject);
    if (isOfObjects && !mergeKey) return withoutNulls(modified);
    const keyOf = (item: Json): Json | undefined =>
      isOfObjects ? (isJsonObject(item) ? fieldOf(item, mergeKey!) : undefined) : item;
    const sameAs = (item: Json) => (other: Json) => isEqual(keyOf(item), keyOf(other));
    const kept = current.flatMap((item): Json[] => {
      const applied = modified.find(sameAs(item));
      const before = original.find(sameAs(item));
      if (applied === undefined) return before === undefined ? [item] : [];
      return [
        this.#value({ original: before, modified: applied, current: item }, elementOf(field, this.#retains(field))),
      ];
    });
    const added = modified.filter((item) => !current.some(sameAs(item))).map(withoutNulls);
    const order = modified.map((item) => keyOf(item) ?? null);
    return inOrder([...kept, ...added], { current, order, keyOf });
  }

  /** Elements of such a list are unions of which one member stands. */
  #retains = ({ patchStrategy = [] }: FieldFacts): boolean => patchStrategy.includes('retainKeys');

  #fieldOf(type: TypeFacts | undefined, key: string): FieldFacts | undefined {
    return type?.jsonFields.get(key);
  }

  /** Of an object or of a list's elements; maps have no fields of their own. */
  #typeOf(type: TypeRef | undefined): TypeFacts | undefined {
    if (type && 'ref' in type) return this.#facts.type(type.ref);
    return type && 'list' in type ? this.#typeOf(type.list) : undefined;
  }
}

const elementOf = (field: FieldFacts, retains: boolean): FieldFacts => ({
  ...field,
  patchStrategy: retains ? ['retainKeys'] : [],
});

/** Fields that were there keep their places. */
function inOrderOf(current: JsonObject, result: ReadonlyMap<string, Json>): JsonObject {
  const before = Object.keys(current).filter((key) => result.has(key));
  const added = [...result.keys()].filter((key) => !Object.hasOwn(current, key));
  return objectOf([...before, ...added].map((key): [string, Json] => [key, result.get(key)!]));
}

/** A null says that a field is not wanted, and is nothing to store. */
export function withoutNulls(value: Json): Json {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (!isJsonObject(value)) return value;
  const kept = Object.entries(value).filter(([, item]) => item !== null);
  return objectOf(kept.map(([key, item]): [string, Json] => [key, withoutNulls(item)]));
}

/** An empty list is not an absent one here: it is what somebody wrote. */
function isSame(a: Json, b: Json): boolean {
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((item, at) => isSame(item, b[at]!));
  if (!isJsonObject(a) || !isJsonObject(b)) return a === b;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && isSame(a[key]!, b[key]!))
  );
}

/** The JSON merge patch (RFC 7386) that leads from one object to the other; undefined when they are the same. */
export function mergePatchBetween(from: JsonObject, to: JsonObject): JsonObject | undefined {
  const patch = new Map<string, Json>();
  for (const key of Object.keys(from)) if (!Object.hasOwn(to, key)) patch.set(key, null);
  for (const [key, value] of Object.entries(to)) {
    const before = fieldOf(from, key);
    if (before !== undefined && isSame(before, value)) continue;
    const inner = isJsonObject(before) && isJsonObject(value) ? mergePatchBetween(before, value) : value;
    if (inner !== undefined) patch.set(key, inner);
  }
  return patch.size > 0 ? objectOf(patch) : undefined;
}
