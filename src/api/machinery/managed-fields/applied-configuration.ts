/**
 * What an applied configuration names, what it makes of an object, and what goes from the object because it is named no
 * longer. Source: "Server-Side Apply"; structured-merge-diff, typed and merge.
 */
import { goSource, goText, goTypeOf } from '../go-text.ts';
import { isJsonObject, type Json, type JsonObject, objectOf } from '../json-value.ts';
import { childOf, elementText, type FieldSet, fieldSetOf, isMember, MEMBER } from './field-set.ts';
import {
  type Expected,
  fieldOfShape,
  itemsByElement,
  keyElement,
  type ScalarForm,
  type Shape,
  valueElement,
} from './field-shape.ts';

const MAX_DEPTH = 200;
const LEAF: Shape = { form: 'leaf' };

/** The places that a configuration names, or why it is none of this shape: `.spec.foo: field not declared in schema`. */
export function fieldsOfConfiguration(
  configuration: JsonObject,
  shape: Shape,
): { set: FieldSet | undefined } | { problems: string[] } {
  const problems: string[] = [];
  const set = namedFields(configuration, shape, { path: '', depth: 0, problems });
  if (problems.length > 0) return { problems };
  return { set: set && Object.keys(set).length > 0 ? set : undefined };
}

interface Place {
  path: string;
  depth: number;
  problems: string[];
}

const below = ({ path, depth, problems }: Place, element: string): Place => ({
  path: path + elementText(element),
  depth: depth + 1,
  problems,
});

/** undefined: nothing but what stands below, and that is nothing. */
function namedFields(value: Json, shape: Shape, place: Place): FieldSet | undefined {
  if (place.depth > MAX_DEPTH) {
    place.problems.push(`${place.path}: nested too deeply`);
    return undefined;
  }
  if (value === null) return MEMBER;
  if (shape.form === 'leaf') {
    if (shape.expects) judgeWhole(value, shape.expects, place);
    return MEMBER;
  }
  if (shape.form === 'items' || shape.form === 'set') return namedItems(value, shape, place);
  if (!isJsonObject(value)) {
    if (shape.form === 'map' && shape.isStruct) return MEMBER; // of a type that is not known
    place.problems.push(`${place.path}: expected map, got ${describe(value)}`);
    return undefined;
  }
  const fields: Record<string, FieldSet> = {};
  for (const name of Object.keys(value).sort()) {
    const of = fieldOfShape(shape, name);
    if (!of) place.problems.push(`${place.path}.${name}: field not declared in schema`);
    else {
      const named = namedFields(value[name]!, of, below(place, `f:${name}`));
      const isItem = shape.form === 'map' && !shape.isStruct;
      if (isItem) fields[`f:${name}`] = asMember(named);
      else if (named) fields[`f:${name}`] = named; // an empty list of items is nobody's
    }
  }
  return fieldSetOf(Object.keys(value).length === 0, fields);
}

/** Nobody has a part of it alone, yet each must be what it should be. */
function judgeWhole(value: Json, expected: Expected, place: Place): void {
  if (typeof expected === 'string') {
    const problem = misfit(value, expected);
    if (problem) place.problems.push(`${place.path}: ${problem}`);
  } else if ('parts' in expected) namedFields(value, expected.parts, place);
  else if (!Array.isArray(value)) place.problems.push(`${place.path}: expected list, got ${describe(value)}`);
  else {
    const { path, depth, problems } = place;
    (value as readonly Json[]).forEach((item, index) => {
      namedFields(item, expected.items, { path: `${path}[${index}]`, depth: depth + 1, problems });
    });
  }
}

function misfit(value: Json, form: ScalarForm): string | undefined {
  const type = typeof value;
  switch (form) {
    case 'numeric':
      return type === 'number' ? undefined : `expected numeric (int or float), got ${goTypeOf(value)}`;
    case 'string':
      return type === 'string' ? undefined : `expected string, got &value.valueUnstructured{Value:${goSource(value)}}`;
    case 'boolean':
      return type === 'boolean' ? undefined : `expected boolean, got ${describe(value)}`;
    case 'scalar':
      return type === 'object' ? `expected any scalar, got ${describe(value)}` : undefined;
  }
}

const asMember = (set: FieldSet | undefined): FieldSet =>
  fieldSetOf(true, { ...(set && Object.keys(set).length > 0 && withoutSelf(set)) })!;
const withoutSelf = ({ '.': _, ...rest }: FieldSet): FieldSet => rest;

function namedItems(value: Json, shape: Shape & { form: 'items' | 'set' }, place: Place): FieldSet | undefined {
  if (!Array.isArray(value)) {
    place.problems.push(`${place.path}: expected list, got ${describe(value)}`);
    return undefined;
  }
  const items: Record<string, FieldSet> = {};
  for (const [index, item] of (value as readonly Json[]).entries()) {
    const problem = shape.form === 'set' ? problemOfValue(item) : problemOfItem(item, shape);
    if (problem) {
      place.problems.push(`${place.path}: element ${index}: ${problem}`);
      break; // of the others nobody says anything
    }
    const element = shape.form === 'set' ? valueElement(item) : keyElement(item, shape)!;
    if (Object.hasOwn(items, element))
      place.problems.push(`${place.path}: duplicate entries for key ${elementText(element)}`);
    const named = namedItem(item, shape, below(place, element));
    items[element] ??= asMember(named);
  }
  return fieldSetOf(false, Object.fromEntries(Object.entries(items).sort(([a], [b]) => (a < b ? -1 : 1))));
}

function namedItem(item: Json, shape: Shape & { form: 'items' | 'set' }, place: Place): FieldSet | undefined {
  if (shape.form === 'items') return namedFields(item, shape.item, place);
  if (shape.expects) judgeWhole(item, shape.expects, place);
  return MEMBER;
}

function problemOfValue(item: Json): string | undefined {
  if (item === null) return "associative list without keys has an element that's an explicit null";
  if (Array.isArray(item)) return 'not supported: associative list with lists as elements';
  return typeof item === 'object' ? "associative list without keys has an element that's a map type" : undefined;
}

function problemOfItem(item: Json, shape: Shape & { form: 'items' }): string | undefined {
  if (item === null) return 'associative list with keys may not have a null element';
  if (!isJsonObject(item)) return 'associative list with keys may not have non-map elements';
  if (keyElement(item, shape) !== undefined) return undefined;
  const keys = shape.keys.map((key) => JSON.stringify(key)).join(' ');
  const why = 'associative list with keys has an element that omits all key fields';
  return `${why} [${keys}] (and doesn't have default values for any key fields)`;
}

/** As Go prints what holds it. */
const describe = (value: Json): string => `&{${goText(value)}}`;

/** `live` with everything that the configuration says. Items keep the configuration's order among themselves. */
export function mergeConfiguration(live: Json | undefined, applied: Json, shape: Shape): Json {
  if (live === undefined || live === null || shape.form === 'leaf') return applied;
  if (shape.form === 'items' || shape.form === 'set') return mergeItems(live, applied, shape);
  if (!isJsonObject(live) || !isJsonObject(applied)) return applied;
  const fields = new Map(Object.entries(live));
  for (const [name, value] of Object.entries(applied))
    fields.set(name, mergeConfiguration(fields.get(name), value, fieldOfShape(shape, name) ?? LEAF));
  return objectOf(fields);
}

function mergeItems(live: Json, applied: Json, shape: Shape & { form: 'items' | 'set' }): Json {
  if (!Array.isArray(live) || !Array.isArray(applied)) return applied;
  const ours = [...itemsByElement(applied, shape)] as [string, Json[]][];
  const theirs = [...itemsByElement(live, shape)] as [string, Json[]][];
  const inOurs = new Map(ours);
  const inTheirs = new Map(theirs);
  const shared = ours.map(([element]) => element).filter((element) => inTheirs.has(element));
  const merged: Json[] = [];
  let [left, right, next] = [0, 0, 0];
  while (left < theirs.length || right < ours.length) {
    const their = theirs[left];
    const our = ours[right];
    if (their && our && their[0] !== our[0] && inOurs.has(their[0]) && shared[next] !== their[0]) {
      left += 1; // it comes where the configuration has it
    } else if (their && !inOurs.has(their[0])) {
      merged.push(...their[1]);
      left += 1;
    } else if (our) {
      const standing = inTheirs.get(our[0])?.[0];
      const item = our[1][0]!;
      merged.push(shape.form === 'set' ? item : mergeConfiguration(standing, item, shape.item));
      if (standing !== undefined) next += 1;
      if (their?.[0] === our[0]) left += 1;
      right += 1;
    } else {
      left += 1;
    }
  }
  return merged;
}

/**
 * `value` without what was applied before (`before`) and is now in nobody's set (`owned`: of all managers, this
 * one's new one too). undefined: nothing is left.
 */
export function pruneUnowned(value: Json, shape: Shape, { before, owned }: Pruning): Json {
  if (!before) return value;
  if (shape.form === 'struct' || shape.form === 'map')
    return isJsonObject(value) ? pruneFields(value, shape, { before, owned }) : value;
  if (shape.form === 'leaf' || !Array.isArray(value)) return value;
  const items = [...itemsByElement(value, shape)] as [string, Json[]][];
  return items.flatMap(([element, same]) => {
    const was = childOf(before, element);
    const is = childOf(owned, element);
    if (was && isMember(was) && !(is && isMember(is))) return [];
    return shape.form === 'items'
      ? same.map((item) => pruneUnowned(item, shape.item, { before: was, owned: is }))
      : same;
  });
}

interface Pruning {
  before: FieldSet | undefined;
  owned: FieldSet | undefined;
}

function pruneFields(
  value: JsonObject,
  shape: Shape & { form: 'struct' | 'map' },
  { before, owned }: Pruning,
): JsonObject {
  const kept: [string, Json][] = [];
  for (const [name, field] of Object.entries(value)) {
    const was = childOf(before, `f:${name}`);
    const is = childOf(owned, `f:${name}`);
    // A field of a struct counts as named when anything below it is; an entry of a map only when it is itself.
    const isStruct = shape.form === 'struct' || shape.isStruct || shape.known.has(name);
    const isNamed = (set: FieldSet | undefined) => set !== undefined && (isStruct || isMember(set));
    if (isNamed(was) && !isNamed(is)) continue;
    kept.push([name, pruneUnowned(field, fieldOfShape(shape, name) ?? LEAF, { before: was, owned: is })]);
  }
  return objectOf(kept);
}
