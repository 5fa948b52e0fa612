/**
 * Strategic merge patch: a merge patch that knows from the facts of a type which lists are merged, by which key, and that
 * understands the directives `$patch`, `$retainKeys`, `$setElementOrder/…` and `$deleteFromPrimitiveList/…`.
 * Source: "Update API Objects in Place Using kubectl patch"; community, strategic-merge-patch.md.
 */
import type { Facts, FieldFacts, TypeFacts, TypeRef } from './facts.ts';
import { goText } from './go-text.ts';
import { fieldOf, isJsonObject, type Json, type JsonObject, objectOf } from './json-value.ts';
import { MAX_PATCH_DEPTH } from './merge-patch.ts';
import { badRequest } from './status.ts';

const DIRECTIVE = '$patch';
const RETAIN_KEYS = '$retainKeys';
const SET_ORDER = '$setElementOrder/';
const DELETE_PRIMITIVES = '$deleteFromPrimitiveList/';

/** How the value at a place is merged: what type it has, and what its field says. */
interface Schema {
  type: TypeFacts | undefined;
  replace: boolean;
  merge: boolean;
  mergeKey: string | undefined;
}

/** A new document. Throws 400 when the patch contradicts itself or the type. */
export const applyStrategicMergePatch = (
  document: JsonObject,
  patch: JsonObject,
  { type, facts }: { type: TypeFacts | undefined; facts: Facts },
): JsonObject => new Merger(facts).merge(document, patch, type, 0);

class Merger {
  readonly #facts: Facts;

  constructor(facts: Facts) {
    this.#facts = facts;
  }

  merge(document: JsonObject, patch: JsonObject, type: TypeFacts | undefined, depth: number): JsonObject {
    if (depth > MAX_PATCH_DEPTH) throw badRequest('the patch is nested too deeply');
    const directive = fieldOf(patch, DIRECTIVE);
    if (directive === 'replace') return objectOf(Object.entries(patch).filter(([key]) => key !== DIRECTIVE));
    if (directive === 'delete') return {};
    if (directive !== undefined) throw badRequest(`unknown patch type: ${goText(directive)} in map: ${goText(patch)}`);

    const result = new Map(Object.entries(retained(document, patch)));
    for (const [key, value] of Object.entries(patch)) {
      if (isDirective(key)) continue;
      const merged = this.#field(result.get(key), value, this.#schemaOf(type, key), { patch, key, depth });
      if (merged === undefined) result.delete(key);
      else result.set(key, merged);
    }
    this.#onlyDirectives(result, patch, type);
    return objectOf(result);
  }

  /** undefined: the field goes. */
  #field(
    current: Json | undefined,
    value: Json,
    schema: Schema,
    { patch, key, depth }: { patch: JsonObject; key: string; depth: number },
  ): Json | undefined {
    if (value === null) return undefined;
    if (!Array.isArray(value)) {
      if (!isJsonObject(value) || !isJsonObject(current)) return plain(value);
      return schema.replace ? value : this.merge(current, value, schema.type, depth + 1);
    }
    const order = listOf(fieldOf(patch, SET_ORDER + key));
    const removed = listOf(fieldOf(patch, DELETE_PRIMITIVES + key));
    if (!Array.isArray(current) && !(order && schema.merge)) return plain(value);
    // A list that is one value is taken as it is: what it holds of directives is a field that nobody knows.
    if (!schema.merge) {
      if (order?.length && !value.some(isJsonObject)) checkOrder(value, order, (item) => item);
      return value;
    }
    if (Array.isArray(current)) return this.#list(current, value, { schema, order, removed, depth });
    return this.#list([], plain(value) as Json[], { schema, order, removed, depth });
  }

  /** Lists that the patch only orders or takes from, without a value of their own. */
  #onlyDirectives(result: Map<string, Json>, patch: JsonObject, type: TypeFacts | undefined): void {
    const named = Object.keys(patch).flatMap((name) => {
      const prefix = [SET_ORDER, DELETE_PRIMITIVES].find((start) => name.startsWith(start));
      return prefix ? [name.slice(prefix.length)] : [];
    });
    for (const key of new Set(named)) {
      if (Object.hasOwn(patch, key)) continue;
      const current = result.get(key);
      if (!Array.isArray(current)) continue;
      const order = listOf(fieldOf(patch, SET_ORDER + key));
      const removed = listOf(fieldOf(patch, DELETE_PRIMITIVES + key));
      result.set(key, this.#list(current, [], { schema: this.#schemaOf(type, key), order, removed, depth: 0 }));
    }
  }

  #list(
    current: readonly Json[],
    patch: readonly Json[],
    how: { schema: Schema; order: readonly Json[] | undefined; removed: readonly Json[] | undefined; depth: number },
  ): Json[] {
    const { schema, order, removed, depth } = how;
    // Upstream looks for the type of the items, and finds none.
    if (order && current.length === 0 && patch.length === 0) throw badRequest('no elements in any of the given slices');
    checkSameTypes([current, patch]);
    if (removed) checkSameTypes([current, removed]);
    if (![...current, ...patch].some(isJsonObject)) {
      if (order?.length) checkOrder(patch, order, (item) => item);
      const gone = new Set(removed);
      const all = [...new Set([...current, ...patch])].filter((item) => !gone.has(item));
      return inOrder(all, { current, order: order ?? patch, keyOf: (item) => item });
    }
    const { mergeKey } = schema;
    if (!mergeKey) throw badRequest('cannot merge lists without merge key');
    const keyOf = (item: Json): Json | undefined => (isJsonObject(item) ? fieldOf(item, mergeKey) : undefined);
    const merged = this.#objects(current, patch, { schema, mergeKey, keyOf, depth });
    if (order?.length) checkOrder(patch, order, keyOf);
    return inOrder(merged, { current, order: (order ?? patch).map((item) => keyOf(item) ?? null), keyOf });
  }

  #objects(
    current: readonly Json[],
    patch: readonly Json[],
    how: { schema: Schema; mergeKey: string; keyOf: (item: Json) => Json | undefined; depth: number },
  ): Json[] {
    const { schema, mergeKey, keyOf, depth } = how;
    const changes = patch.filter(isJsonObject); // all of them are, by now
    if (changes.some((item) => fieldOf(item, DIRECTIVE) === 'replace'))
      return changes.filter((item) => !Object.hasOwn(item, DIRECTIVE));

    const result = new KeyedList(current, keyOf);
    for (const change of changes) {
      const key = keyOf(change);
      const directive = fieldOf(change, DIRECTIVE);
      if (directive === 'merge') throw badRequest('merging lists cannot yet be specified in the patch');
      if (directive !== undefined && directive !== 'delete')
        throw badRequest(`unknown patch type: ${goText(directive)} in map: ${goText(change)}`);
      if (key === undefined)
        throw badRequest(`map: ${goText(change)} does not contain declared merge key: ${mergeKey}`);
      if (directive === 'delete') {
        result.delete(key);
        continue;
      }
      const found = result.first(key);
      if (found === undefined)
        result.add(key, change); // as it is: upstream looks for no directives below a new item
      else if (isJsonObject(found)) result.replaceFirst(key, this.merge(found, change, schema.type, depth + 1));
    }
    return result.items();
  }

  #schemaOf(type: TypeFacts | undefined, key: string): Schema {
    const field = type && this.#fieldOf(type, key);
    if (!field) return { type: undefined, replace: false, merge: false, mergeKey: undefined };
    const strategy = field.patchStrategy ?? [];
    return {
      type: this.#typeOf(field.type),
      replace: strategy.includes('replace'),
      merge: strategy.includes('merge'),
      mergeKey: field.patchMergeKey,
    };
  }

  /** Inlined structs have no level of their own in JSON. */
  #fieldOf(type: TypeFacts, key: string): FieldFacts | undefined {
    const own = type.fields.find((field) => !field.inline && field.name === key);
    if (own) return own;
    for (const field of type.fields) {
      const inlined = field.inline ? this.#typeOf(field.type) : undefined;
      const found = inlined && this.#fieldOf(inlined, key);
      if (found) return found;
    }
    return undefined;
  }

  /** Of an object, of a list's elements or of a map's values. */
  #typeOf(type: TypeRef): TypeFacts | undefined {
    if ('ref' in type) return this.#facts.type(type.ref);
    if ('list' in type) return this.#typeOf(type.list);
    return undefined;
  }
}

const isDirective = (key: string): boolean =>
  key === DIRECTIVE || key === RETAIN_KEYS || key.startsWith(SET_ORDER) || key.startsWith(DELETE_PRIMITIVES);

const listOf = (value: Json | undefined): readonly Json[] | undefined => (Array.isArray(value) ? value : undefined);

/** `$retainKeys` names all fields that may stay: those of a union that was changed go. */
function retained(document: JsonObject, patch: JsonObject): JsonObject {
  const keys = fieldOf(patch, RETAIN_KEYS);
  if (keys === undefined) return document;
  if (!Array.isArray(keys)) throw badRequest('invalid patch format of retainKeys');
  const kept = new Set<Json>(keys);
  const stray = Object.entries(patch).some(([key, value]) => !isDirective(key) && value !== null && !kept.has(key));
  if (stray) throw badRequest('invalid patch format of retainKeys');
  return objectOf(Object.entries(document).filter(([key]) => kept.has(key)));
}

/** What the patch says where there is nothing to merge it with: nothing that is null, and nothing with a `$patch`. */
function plain(value: Json): Json | undefined {
  if (Array.isArray(value)) return value.map((item) => (item === null ? null : plain(item))).filter(isKept);
  if (!isJsonObject(value)) return value;
  if (Object.hasOwn(value, DIRECTIVE)) return undefined;
  const kept = Object.entries(value).flatMap(([key, item]): [string, Json][] => {
    const said = item === null ? undefined : plain(item);
    return said === undefined ? [] : [[key, said]];
  });
  return objectOf(kept);
}

const isKept = (value: Json | undefined): value is Json => value !== undefined;

/** Throws 400 where lists that meet hold values of different types. */
function checkSameTypes(lists: readonly (readonly Json[])[]): void {
  const types = new Set(lists.flat().map((item) => (isJsonObject(item) ? 'map' : typeof item)));
  if (types.size > 1)
    throw badRequest(`list element types are not identical: ${goText(lists.map((list) => [...list]))}`);
}

/** The elements of the patch must all be in the order that it asks for, in that order. */
function checkOrder(patch: readonly Json[], order: readonly Json[], keyOf: (item: Json) => Json | undefined): void {
  const wanted = places(order.map(keyOf));
  let last = -1;
  for (const item of patch) {
    if (isJsonObject(item) && fieldOf(item, DIRECTIVE) === 'delete') continue;
    const at = wanted.get(identity(keyOf(item))) ?? -1;
    if (at <= last)
      throw badRequest(
        `The order in patch list:\n${goText([...patch])}\n doesn't match $setElementOrder list:\n${goText([...order])}\n`,
      );
    last = at;
  }
}

/** The same for keys that count as equal: none, null and an empty list are one. */
function identity(key: Json | undefined): string {
  if (key === undefined || key === null || (Array.isArray(key) && key.length === 0)) return '';
  return typeof key === 'object' ? JSON.stringify(key) : `${typeof key} ${key}`;
}

/** Where each key stands first. */
function places(keys: readonly (Json | undefined)[]): Map<string, number> {
  const found = new Map<string, number>();
  keys.forEach((key, index) => {
    const id = identity(key);
    if (!found.has(id)) found.set(id, index);
  });
  return found;
}

/** A list whose elements are found by their key: patches and lists of thousands of elements meet here. */
class KeyedList {
  readonly #items: (Json | undefined)[];
  readonly #at = new Map<string, number[]>();

  constructor(items: readonly Json[], keyOf: (item: Json) => Json | undefined) {
    this.#items = [...items];
    for (const [index, item] of this.#items.entries()) this.#note(keyOf(item as Json), index);
  }

  first(key: Json): Json | undefined {
    const at = this.#at.get(identity(key))?.[0];
    return at === undefined ? undefined : this.#items[at];
  }

  replaceFirst(key: Json, item: Json): void {
    this.#items[this.#at.get(identity(key))![0]!] = item;
  }

  add(key: Json, item: Json): void {
    this.#note(key, this.#items.length);
    this.#items.push(item);
  }

  delete(key: Json): void {
    for (const index of this.#at.get(identity(key)) ?? []) this.#items[index] = undefined;
    this.#at.delete(identity(key));
  }

  items(): Json[] {
    return this.#items.filter((item) => item !== undefined);
  }

  #note(key: Json | undefined, index: number): void {
    const id = identity(key);
    const there = this.#at.get(id);
    if (there) there.push(index);
    else this.#at.set(id, [index]);
  }
}

export interface Ordering {
  current: readonly Json[];
  order: readonly Json[];
  keyOf: (item: Json) => Json | undefined;
}

/**
 * Elements that the patch names stand in its order, each before the first of the others that stood behind it; the others
 * keep theirs.
 */
export function inOrder(items: readonly Json[], { current, order, keyOf }: Ordering): Json[] {
  const wanted = places(order);
  const server = places(current.map(keyOf));
  const indexIn = (list: ReadonlyMap<string, number>, item: Json) => list.get(identity(keyOf(item))) ?? -1;
  const named = items
    .filter((item) => indexIn(wanted, item) >= 0)
    .sort((a, b) => indexIn(wanted, a) - indexIn(wanted, b));
  const others = items.filter((item) => indexIn(wanted, item) < 0);

  const result: Json[] = [];
  let next = 0;
  for (const item of named) {
    const place = indexIn(server, item);
    for (; place >= 0 && next < others.length && indexIn(server, others[next]!) < place; next++)
      result.push(others[next]!);
    result.push(item);
  }
  return [...result, ...others.slice(next)];
}
