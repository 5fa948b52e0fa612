/**
 * A set of places in an object, in the very form in which FieldsV1 writes it: one property an element of a path
 * (`f:name` a field, `k:{…}` an item of a list by its keys, `v:…` an item of a set, `i:0` an item by its index). What
 * has nothing below it is in the set; what has something below it is in it only with a `.` of its own. An empty set is
 * undefined. Source: "Server-Side Apply"; structured-merge-diff, fieldpath.
 */
export interface FieldSet {
  readonly [element: string]: FieldSet;
}

export const MEMBER: FieldSet = Object.freeze({});
const SELF = '.';
const MAX_DEPTH = 200;

export const isMember = (set: FieldSet): boolean => {
  for (const _ in set) return Object.hasOwn(set, SELF);
  return true;
};

/** The place itself and the places below it; undefined when that is nothing. */
export function fieldSetOf(isIn: boolean, below: Record<string, FieldSet>): FieldSet | undefined {
  for (const _ in below) return isIn ? { [SELF]: MEMBER, ...below } : below;
  return isIn ? MEMBER : undefined;
}

export const childOf = (set: FieldSet | undefined, element: string): FieldSet | undefined =>
  set && element !== SELF && Object.hasOwn(set, element) ? set[element] : undefined;

/** One that has all places of the other is kept as it is: mostly somebody writes what was theirs already. */
export function union(a: FieldSet | undefined, b: FieldSet | undefined): FieldSet | undefined {
  if (!a || !b || a === b) return a ?? b;
  if (covers(a, b)) return a;
  const below: Record<string, FieldSet> = {};
  for (const element of elementsOf(a, b)) below[element] = union(childOf(a, element), childOf(b, element))!;
  return fieldSetOf(isMember(a) || isMember(b), below);
}

/** Whether all places of `b` are in `a`. */
export function covers(a: FieldSet, b: FieldSet): boolean {
  if (a === b) return true;
  if (isMember(b) && !isMember(a)) return false;
  for (const element in b) {
    if (element === SELF) continue;
    const under = childOf(a, element);
    if (!under || !covers(under, b[element]!)) return false;
  }
  return true;
}

/** What is in `a` and not in `b`, place by place: `b` having a place says nothing of those below it. `a` itself when nothing goes. */
export function difference(a: FieldSet | undefined, b: FieldSet | undefined): FieldSet | undefined {
  if (!a || !b) return a;
  const wasIn = isMember(a);
  const isIn = wasIn && !isMember(b);
  let isSame = isIn === wasIn;
  const below: Record<string, FieldSet> = {};
  for (const element in a) {
    if (element === SELF) continue;
    const left = difference(a[element], childOf(b, element));
    if (left !== a[element]) isSame = false;
    if (left) below[element] = left;
  }
  return isSame ? a : fieldSetOf(isIn, below);
}

export function intersection(a: FieldSet | undefined, b: FieldSet | undefined): FieldSet | undefined {
  if (!a || !b) return undefined;
  const below: Record<string, FieldSet> = {};
  for (const element in a) {
    const both = intersection(childOf(a, element), childOf(b, element));
    if (both) below[element] = both;
  }
  return fieldSetOf(isMember(a) && isMember(b), below);
}

/** The sets of whole objects: their root is a place of neither, so an operation on two of them never leaves it as a member. */
export const rootUnion = (a: FieldSet | undefined, b: FieldSet | undefined): FieldSet | undefined =>
  emptied(union(emptied(a), emptied(b)));
export const rootDifference = (a: FieldSet | undefined, b: FieldSet | undefined): FieldSet | undefined =>
  emptied(difference(emptied(a), emptied(b)));
export const rootIntersection = (a: FieldSet | undefined, b: FieldSet | undefined): FieldSet | undefined =>
  emptied(intersection(emptied(a), emptied(b)));

function emptied(set: FieldSet | undefined): FieldSet | undefined {
  for (const _ in set) return set;
  return undefined;
}

export function isSameSet(a: FieldSet | undefined, b: FieldSet | undefined): boolean {
  if (a === b) return true;
  if (!a || !b || isMember(a) !== isMember(b)) return false;
  for (const element of elementsOf(a, b)) if (!isSameSet(childOf(a, element), childOf(b, element))) return false;
  return true;
}

/** In FieldsV1's order: fields, then items by keys, values and indices. */
function elementsOf(a: FieldSet, b: FieldSet): string[] {
  const elements = new Set([...Object.keys(a), ...Object.keys(b)]);
  elements.delete(SELF);
  return [...elements].sort(byElement);
}

const ORDER = 'fkvi';
const byElement = (a: string, b: string): number =>
  ORDER.indexOf(a.charAt(0)) - ORDER.indexOf(b.charAt(0)) || (a < b ? -1 : a > b ? 1 : 0);

/** As a client sent it; undefined when it is no set of fields. */
export function readFieldSet(value: unknown, depth = 0): FieldSet | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || depth > MAX_DEPTH) return undefined;
  for (const [element, below] of Object.entries(value)) {
    if (element !== SELF && !isElement(element)) return undefined;
    if (!readFieldSet(below, depth + 1)) return undefined;
  }
  return value as FieldSet;
}

function isElement(element: string): boolean {
  const value = element.slice(2);
  if (element.startsWith('f:')) return true;
  if (element.startsWith('i:')) return /^-?\d+$/.test(value);
  if (!element.startsWith('k:') && !element.startsWith('v:')) return false;
  try {
    const parsed: unknown = JSON.parse(value);
    return element.startsWith('v:') || (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed));
  } catch {
    return false; // not JSON, so not an element
  }
}

/** As messages name the places: `.spec.containers[name="web"].image`. */
export function pathsOf(set: FieldSet | undefined, prefix = ''): string[] {
  if (!set) return [];
  const elements = Object.keys(set).filter((element) => element !== SELF);
  const own = elements.filter((element) => isMember(set[element]!)).map((element) => prefix + elementText(element));
  return [...own, ...elements.flatMap((element) => pathsOf(set[element], prefix + elementText(element)))];
}

export function elementText(element: string): string {
  const value = element.slice(2);
  if (element.startsWith('f:')) return `.${value}`;
  if (element.startsWith('i:')) return `[${value}]`;
  if (element.startsWith('v:')) return `[=${value}]`;
  const keys = JSON.parse(value) as Record<string, unknown>;
  return `[${Object.entries(keys)
    .map(([key, part]) => `${key}=${JSON.stringify(part)}`)
    .join(',')}]`;
}
