/** What a change did to an object: the places it set, and those it took away. Source: structured-merge-diff, typed/compare. */
import { deepFreeze } from '#base/deep-freeze.ts';
import { isEqual } from '../equal.ts';
import { isShared } from '../shared-parts.ts';
import { type FieldSet, MEMBER } from './field-set.ts';
import { elementOfItem, type FieldShape, haveSameKeys, itemsByElement, type Shape } from './field-shape.ts';

export interface Comparison {
  /** Added or set to something else. */
  touched: FieldSet | undefined;
  removed: FieldSet | undefined;
}

type Fields = Readonly<Record<string, unknown>>;
type Below = Record<string, FieldSet>;
type Items = Shape & { form: 'items' };

const NOTHING: Comparison = { touched: undefined, removed: undefined };
const SET: Comparison = { touched: MEMBER, removed: undefined };
const ABSENT: Fields = Object.freeze({});
const NO_ITEMS: readonly unknown[] = [];

/** `isWatched` says which of the root's fields count. */
export function compareObjects(
  before: object,
  after: object,
  shape: Shape,
  isWatched: (field: string) => boolean,
): Comparison {
  if (shape.form !== 'struct' && shape.form !== 'map') return NOTHING;
  return compareFields(before as Fields, after as Fields, shape, isWatched);
}

function compareValues(before: unknown, after: unknown, shape: Shape): Comparison {
  if (before === after) return NOTHING;
  if (before === undefined) return { touched: allOf(after, shape), removed: undefined };
  if (after === undefined) return { touched: undefined, removed: allOf(before, shape) };
  switch (shape.form) {
    case 'leaf':
      return isEqual(before, after) ? NOTHING : SET;
    case 'struct':
    case 'map':
      if (isDeducedScalar(before, shape) || isDeducedScalar(after, shape))
        return isEqual(before, after) ? NOTHING : SET;
      return compareFields(fieldsOf(before), fieldsOf(after), shape);
    default:
      return compareItems(listOf(before), listOf(after), shape);
  }
}

/** Of a type that is not known, a value may be anything. */
const isDeducedScalar = (value: unknown, shape: Shape): boolean =>
  shape.form === 'map' && (typeof value !== 'object' || Array.isArray(value));

const fieldsOf = (value: unknown): Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : ABSENT;
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : NO_ITEMS);
const own = (fields: Fields, name: string): unknown =>
  Object.hasOwn(fields, name) ? (fields[name] ?? undefined) : undefined;

function compareFields(
  before: Fields,
  after: Fields,
  shape: Shape & { form: 'struct' | 'map' },
  isWatched?: (field: string) => boolean,
): Comparison {
  const parts = new Parts();
  if (shape.form === 'struct') {
    for (const field of changedFields(before, after, shape)) {
      const was = own(before, field.name) ?? field.zero;
      const is = own(after, field.name) ?? field.zero;
      if (was !== is && isWatched?.(field.name) !== false)
        parts.add(field.element, was === field.zero ? placesOf(is, field) : compareValues(was, is, field.shape));
    }
  } else {
    for (const name of namesOf(before, after)) {
      if (isWatched?.(name) === false) continue;
      const of = shape.known.get(name) ?? shape.others;
      parts.add(`f:${name}`, compareValues(own(before, name), own(after, name), of));
    }
  }
  return parts.whole();
}

/** In the order of the shape. Types have many more fields than objects, and most of those have not changed. */
function changedFields(before: Fields, after: Fields, { byName }: Shape & { form: 'struct' }): FieldShape[] {
  const changed: FieldShape[] = [];
  // What `before` inherits under a name (`constructor`) is never what JSON holds.
  for (const name in after) if (after[name] !== before[name]) noteField(changed, byName.get(name));
  for (const name in before) if (!Object.hasOwn(after, name)) noteField(changed, byName.get(name));
  return changed.length > 1 ? changed.sort(byNames) : changed;
}

/** What its type does not know nobody manages. */
function noteField(fields: FieldShape[], field: FieldShape | undefined): void {
  if (field) fields.push(field);
}

const byNames = (a: FieldShape, b: FieldShape): number => (a.name < b.name ? -1 : 1);

/** What was found of the parts of a value; made only where something is. */
class Parts {
  #touched: Below | undefined;
  #removed: Below | undefined;

  add(element: string, { touched, removed }: Comparison): void {
    if (touched) {
      this.#touched ??= {};
      this.#touched[element] = touched;
    }
    if (removed) {
      this.#removed ??= {};
      this.#removed[element] = removed;
    }
  }

  whole(): Comparison {
    if (!this.#touched && !this.#removed) return NOTHING;
    return { touched: this.#touched, removed: this.#removed };
  }
}

function namesOf(before: Fields, after: Fields): string[] {
  const names = Object.keys(after);
  for (const name of Object.keys(before)) if (!Object.hasOwn(after, name)) names.push(name);
  return names.sort();
}

function compareItems(
  before: readonly unknown[],
  after: readonly unknown[],
  shape: Shape & { form: 'items' | 'set' },
): Comparison {
  if (shape.form === 'items' && standInPlace(before, after, shape)) return compareInPlace(before, after, shape);
  const parts = new Parts();
  const was = itemsByElement(before, shape);
  const is = itemsByElement(after, shape);
  for (const element of [...new Set([...was.keys(), ...is.keys()])].sort())
    parts.add(element, compareSame(was.get(element), is.get(element), shape));
  return parts.whole();
}

/** Of longer lists, to look whether all are different would take longer than to find them by their elements. */
const MAX_IN_PLACE = 8;

/** Mostly nobody comes, goes or moves, and all items have keys of their own: then only those that changed need be named. */
function standInPlace(before: readonly unknown[], after: readonly unknown[], shape: Items): boolean {
  if (before.length !== after.length || after.length > MAX_IN_PLACE) return false;
  for (let at = 0; at < after.length; at++) {
    if (before[at] !== after[at] && !haveSameKeys(before[at], after[at], shape)) return false;
    for (let other = 0; other < at; other++) if (haveSameKeys(after[other], after[at], shape)) return false;
  }
  return true;
}

function compareInPlace(before: readonly unknown[], after: readonly unknown[], shape: Items): Comparison {
  const changed: { element: string; comparison: Comparison }[] = [];
  for (let at = 0; at < after.length; at++) {
    const comparison = compareValues(before[at], after[at], shape.item);
    if (comparison !== NOTHING) changed.push({ element: elementOfItem(after[at], at, shape), comparison });
  }
  const parts = new Parts();
  if (changed.length > 1) changed.sort((a, b) => (a.element < b.element ? -1 : 1));
  for (const { element, comparison } of changed) parts.add(element, comparison);
  return parts.whole();
}

/** Items under one element: one, unless a client wrote what should be unique more than once. */
function compareSame(
  was: unknown[] | undefined,
  is: unknown[] | undefined,
  shape: Shape & { form: 'items' | 'set' },
): Comparison {
  const item: Shape = shape.form === 'set' ? { form: 'leaf' } : shape.item;
  if ((was?.length ?? 1) === 1 && (is?.length ?? 1) === 1) return compareValues(was?.[0], is?.[0], item);
  if (!was) return SET;
  if (!is) return { touched: undefined, removed: MEMBER };
  return isEqual(was, is) ? NOTHING : SET;
}

const placesOfShared = new WeakMap<object, { field: FieldShape; places: Comparison }>();

/** What is set where nothing was: found once of a part that many objects have. */
function placesOf(value: unknown, field: FieldShape): Comparison {
  if (!isShared(value)) return compareValues(field.zero, value, field.shape);
  const known = placesOfShared.get(value);
  if (known?.field === field) return known.places;
  const places = compareValues(field.zero, value, field.shape);
  deepFreeze(places.touched); // those of many objects, from now on
  placesOfShared.set(value, { field, places });
  return places;
}

/** Every place of a value that is new (or gone) as a whole, the value itself too. On the way of every create, so it is kept quick. */
function allOf(value: unknown, shape: Shape): FieldSet {
  if (shape.form === 'leaf' || typeof value !== 'object' || value === null) return MEMBER;
  const all: Below = { '.': MEMBER };
  const isEmpty = Array.isArray(value) ? addItems(all, value, shape) : addFields(all, value as Fields, shape);
  return isEmpty ? MEMBER : all;
}

/** Whether there was nothing to add. */
function addFields(all: Below, fields: Fields, shape: Shape): boolean {
  let isEmpty = true;
  for (const name of Object.keys(fields).sort()) {
    const part = fields[name];
    const field = part === undefined || part === null ? undefined : fieldIn(shape, name);
    if (!field) continue;
    all[field.element] = allOf(part, field.shape);
    isEmpty = false;
  }
  return isEmpty;
}

function fieldIn(shape: Shape, name: string): Pick<FieldShape, 'element' | 'shape'> | undefined {
  if (shape.form === 'struct') return shape.byName.get(name);
  return shape.form === 'map' ? { element: `f:${name}`, shape: shape.known.get(name) ?? shape.others } : undefined;
}

function addItems(all: Below, list: readonly unknown[], shape: Shape): boolean {
  if (shape.form !== 'items' && shape.form !== 'set') return true;
  const items = itemsByElement(list, shape);
  for (const element of items.size > 1 ? [...items.keys()].sort() : items.keys()) {
    const same = items.get(element)!;
    all[element] = shape.form === 'set' || same.length > 1 ? MEMBER : allOf(same[0], shape.item);
  }
  return list.length === 0;
}
