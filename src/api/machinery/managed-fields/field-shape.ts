/**
 * How server-side apply sees a value: what is one value to it, and what has parts of its own that can belong to
 * different managers. Built-in kinds have it from their facts, custom ones from their schema (`schema-shape.ts`); without
 * one only the metadata is known, the rest is deduced: objects have parts, lists are one value. Source: "Server-Side Apply", merge strategy.
 */
import type { Facts, FieldFacts, Scalar, TypeFacts, TypeRef } from '../facts.ts';

export type Shape =
  /** One value. `expects`: what it must be, where that is known. */
  | { form: 'leaf'; readonly expects?: Expected }
  | { form: 'struct'; fields: readonly FieldShape[]; byName: ReadonlyMap<string, FieldShape> }
  /** Objects of any field: `others` is the shape of what is not in `known`. `isStruct`: it stands for a type that is not known. */
  | { form: 'map'; known: ReadonlyMap<string, Shape>; others: Shape; isStruct: boolean }
  | { form: 'items'; keys: readonly string[]; keyDefaults: Readonly<Record<string, unknown>>; item: Shape }
  | { form: 'set'; readonly expects?: ScalarForm };

/** `scalar`: any of them, as for amounts and times. */
export type ScalarForm = 'numeric' | 'string' | 'boolean' | 'scalar';

/** Of lists and objects that are one value: what their parts are. */
export type Expected = ScalarForm | { items: Shape } | { parts: Shape };

export interface FieldShape {
  name: string;
  /** `f:name`. */
  element: string;
  readonly shape: Shape;
  /** What upstream's structs hold when nothing is given, where that is something: an absent field is then no news. */
  zero: unknown;
}

export const LEAF: Shape = { form: 'leaf' };
const SCALARS: Readonly<Record<ScalarForm, Shape>> = {
  numeric: { form: 'leaf', expects: 'numeric' },
  string: { form: 'leaf', expects: 'string' },
  boolean: { form: 'leaf', expects: 'boolean' },
  scalar: { form: 'leaf', expects: 'scalar' },
};
export const scalarShape = (form: ScalarForm): Shape => SCALARS[form];

/** A list or an object that is one value. Types may refer to themselves: what is in it is made when it is asked for. */
export function wholeShape(expected: () => Expected): Shape {
  let expects: Expected | undefined;
  return {
    form: 'leaf',
    get expects() {
      expects ??= expected();
      return expects;
    },
  };
}

/** A list of values without order and doubles. */
export const setOf = (item: Shape | undefined): Shape =>
  item?.form === 'leaf' && typeof item.expects === 'string' ? { form: 'set', expects: item.expects } : { form: 'set' };
export const DEDUCED: Shape = {
  form: 'map',
  known: new Map(),
  isStruct: true,
  get others(): Shape {
    return DEDUCED;
  },
};
const EMPTY = Object.freeze({});

/** Keys of lists that the schema itself fills in, before any defaulting. Source: kubernetes v1.36, `+default` in types.go. */
const KEY_DEFAULTS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'core.v1.ContainerPort': { protocol: 'TCP' },
  'core.v1.LocalObjectReference': { name: '' },
  'core.v1.ServicePort': { protocol: 'TCP' },
};

/** Fields whose type is one value elsewhere. Source: kubernetes v1.36, `+structType=granular` in types.go. */
const GRANULAR = new Set(['core.v1.PersistentVolumeSpec.claimRef']);

const shapes = new WeakMap<Facts, Map<string, Shape>>();

/** Of the objects of a kind. `type` is undefined for custom kinds without a schema. */
export function shapeOfKind(facts: Facts, type: TypeFacts | undefined): Shape {
  return type ? shapeOfType(facts, type.name) : named(facts, '', () => customShape(facts));
}

const customShape = (facts: Facts): Shape => ({
  form: 'map',
  known: new Map<string, Shape>([['metadata', shapeOfType(facts, 'meta.v1.ObjectMeta')]]),
  others: DEDUCED,
  isStruct: true,
});

function named(facts: Facts, name: string, make: () => Shape): Shape {
  const known = shapes.get(facts) ?? new Map<string, Shape>();
  shapes.set(facts, known);
  const shape = known.get(name) ?? make();
  known.set(name, shape);
  return shape;
}

export function shapeOfType(facts: Facts, name: string): Shape {
  return named(facts, name, () => {
    const type = facts.type(name);
    if (!type || type.union) return LEAF;
    return type.atomic ? wholeShape(() => ({ parts: structShape(facts, type) })) : structShape(facts, type);
  });
}

function structShape(facts: Facts, type: TypeFacts): Shape {
  const fields = [...type.jsonFields.values()]
    .map((field) => fieldShape(facts, field, GRANULAR.has(`${type.name}.${field.name}`)))
    .sort(byName);
  return { form: 'struct', fields, byName: new Map(fields.map((field) => [field.name, field])) };
}

const byName = (a: FieldShape, b: FieldShape): number => (a.name < b.name ? -1 : 1);

function fieldShape(facts: Facts, field: FieldFacts, isGranular: boolean): FieldShape {
  let shape: Shape | undefined;
  return {
    name: field.name,
    element: `f:${field.name}`,
    zero: zeroOf(field),
    get shape() {
      const granular = isGranular && 'ref' in field.type ? facts.type(field.type.ref) : undefined;
      shape ??= granular ? structShape(facts, granular) : shapeOfField(facts, field); // types refer to themselves
      return shape;
    },
  };
}

function shapeOfField(facts: Facts, field: FieldFacts): Shape {
  const { type } = field;
  if ('list' in type) {
    if (field.listType === 'set') return setOf(elementShape(facts, type.list));
    if (field.listType !== 'map' || !('ref' in type.list)) return elementShape(facts, type);
    const keys = [...(field.listMapKeys ?? [])].sort();
    return {
      form: 'items',
      keys,
      keyDefaults: { ...zerosOfKeys(facts.type(type.list.ref), keys), ...KEY_DEFAULTS[type.list.ref] },
      item: elementShape(facts, type.list),
    };
  }
  const shape = elementShape(facts, type);
  return field.mapType === 'atomic' && shape.form !== 'leaf' ? wholeShape(() => ({ parts: shape })) : shape;
}

/** What must be given has its zero as a default in the schema. */
function zerosOfKeys(item: TypeFacts | undefined, keys: readonly string[]): Record<string, unknown> {
  const zeros = keys.map((key) => [key, item && zeroOf(item.jsonFields.get(key))] as const);
  return Object.fromEntries(zeros.filter(([, zero]) => zero !== undefined));
}

function elementShape(facts: Facts, type: TypeRef): Shape {
  if ('ref' in type) return shapeOfType(facts, type.ref);
  if ('map' in type) return { form: 'map', known: new Map(), others: elementShape(facts, type.map), isStruct: false };
  if ('list' in type) return wholeShape(() => ({ items: elementShape(facts, type.list) }));
  const form = FORMS[type.scalar];
  return form ? scalarShape(form) : LEAF;
}

const FORMS: Readonly<Partial<Record<Scalar, ScalarForm>>> = {
  string: 'string',
  bytes: 'string',
  int32: 'numeric',
  int64: 'numeric',
  double: 'numeric',
  bool: 'boolean',
  quantity: 'scalar',
  time: 'scalar',
  microTime: 'scalar',
  intOrString: 'scalar',
};

const ZEROS: Readonly<Partial<Record<Scalar, unknown>>> = { string: '', int32: 0, int64: 0, double: 0, bool: false };

function zeroOf(field: FieldFacts | undefined): unknown {
  if (!field) return undefined;
  const { type, pointer, omitEmpty } = field;
  if ('ref' in type) return pointer ? undefined : EMPTY;
  if ('scalar' in type) return pointer || omitEmpty ? undefined : ZEROS[type.scalar];
  return omitEmpty ? undefined : EMPTY;
}

/** The element of an item of a keyed list; undefined when it has none of the keys. */
export function keyElement(item: unknown, { keys, keyDefaults }: Shape & { form: 'items' }): string | undefined {
  if (typeof item !== 'object' || item === null) return undefined;
  let text = '';
  for (const key of keys) {
    const value = (item as Record<string, unknown>)[key] ?? keyDefaults[key];
    if (value !== undefined) text += `${text && ','}${JSON.stringify(key)}:${JSON.stringify(value)}`;
  }
  return text ? `k:{${text}}` : undefined;
}

/** Whether two items have one element for the keys that they have. Items without keys have none in common. */
export function haveSameKeys(a: unknown, b: unknown, { keys, keyDefaults }: Shape & { form: 'items' }): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  let isNamed = false;
  for (const key of keys) {
    const value = (a as Record<string, unknown>)[key] ?? keyDefaults[key];
    if (value !== ((b as Record<string, unknown>)[key] ?? keyDefaults[key])) return false;
    isNamed ||= value !== undefined;
  }
  return isNamed;
}

export const elementOfItem = (item: unknown, index: number, shape: Shape & { form: 'items' }): string =>
  keyElement(item, shape) ?? `i:${index}`;

export const valueElement = (item: unknown): string => `v:${JSON.stringify(item)}`;

/** The items of a list by element, in order. Of several with one element, all. */
export function itemsByElement(
  list: readonly unknown[],
  shape: Shape & { form: 'items' | 'set' },
): Map<string, unknown[]> {
  const items = new Map<string, unknown[]>();
  list.forEach((item, index) => {
    const element = shape.form === 'set' ? valueElement(item) : elementOfItem(item, index, shape);
    const same = items.get(element);
    if (same) same.push(item);
    else items.set(element, [item]);
  });
  return items;
}

/** What an object has at a field: its shape, whatever form the object's own shape is. undefined: the type has no such field. */
export function fieldOfShape(shape: Shape & { form: 'struct' | 'map' }, name: string): Shape | undefined {
  if (shape.form === 'struct') return shape.byName.get(name)?.shape;
  return shape.known.get(name) ?? shape.others;
}
