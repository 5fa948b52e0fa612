/**
 * A type as an expression's author sees it, together with how values of it come out of plain JSON and how large they can
 * be. Variables of an environment are declared with these.
 *
 *     objectType('kubernetes.UserInfo', { username: field(stringType), groups: field(listType(stringType)) })
 *
 * From the schema of a CRD: `schemaType` in `schema-type.ts`; of a built-in kind: `builtInType` in `facts-type.ts`.
 */
import { adaptAny, listAdapter, mapAdapter, objectAdapter, optionalAdapter, scalarAdapters } from './adapt.ts';
import type { CelType } from './cel-type.ts';
import * as cel from './cel-type.ts';
import { escapeName } from './escaping.ts';
import type { Adapter } from './value.ts';

export interface DeclaredType {
  readonly type: CelType;
  /**
   * Makes a value of a piece of JSON, without a copy: lists and maps adapt their parts when they are asked for. JSON that
   * does not fit becomes an error value with upstream's text. What is a value of CEL already passes as it is.
   */
  readonly adapt: Adapter;
  /** The most items, entries or bytes; -1 when there is no bound. The static cost estimate is made from it. */
  readonly maxElements: number;
  /** Bytes that the smallest value takes as JSON. Bounds how many fit into one request. */
  readonly minSerializedSize: number;
  /** Of a list its items, of a map its values. */
  readonly element?: DeclaredType;
  readonly key?: DeclaredType;
  /** Of an object: by escaped name (see `escaping.ts`). */
  readonly fields?: ReadonlyMap<string, DeclaredField>;
  /** Any field may be asked for and set, each dyn. */
  readonly isOpen?: boolean;
  /** Of a type nobody knows beforehand, but of a size that is known: parts of a map by name are of it too. */
  readonly isAny?: boolean;
}

export interface DeclaredField {
  readonly type: DeclaredType;
  readonly required: boolean;
}

export const NO_BOUND = -1;

/** `maxElements` of a scalar is 0, as upstream, where nothing better is known. */
const scalar = (type: CelType, adapt: Adapter, minSerializedSize: number): DeclaredType => ({
  type,
  adapt,
  maxElements: 0,
  minSerializedSize,
});

export const boolType = scalar(cel.BOOL, scalarAdapters.bool, 4);
export const intType = scalar(cel.INT, scalarAdapters.int, 1);
export const uintType = scalar(cel.UINT, scalarAdapters.uint, 1);
export const doubleType = scalar(cel.DOUBLE, scalarAdapters.double, 1);
export const stringType = scalar(cel.STRING, scalarAdapters.string, 2);
export const bytesType = scalar(cel.BYTES, scalarAdapters.bytes, 2);
export const nullType = scalar(cel.NULL, scalarAdapters.null, 4);
export const durationType = scalar(cel.DURATION, scalarAdapters.duration, 3);
export const timestampType = scalar(cel.TIMESTAMP, scalarAdapters.timestamp, 12);
/** Anything: whole JSON numbers are ints, others doubles, times stay text. */
export const dynType = scalar(cel.DYN, adaptAny, 1);

/** A named type without fields, whose values the caller makes. */
export const opaqueType = (type: CelType): DeclaredType => scalar(type, adaptAny, 1);

export const listType = (element: DeclaredType, maxElements = NO_BOUND): DeclaredType => ({
  type: cel.listOf(element.type),
  adapt: listAdapter(element.adapt),
  maxElements,
  minSerializedSize: 2,
  element,
});

export const mapType = (key: DeclaredType, value: DeclaredType, maxElements = NO_BOUND): DeclaredType => ({
  type: cel.mapOf(key.type, value.type),
  adapt: mapAdapter(value.adapt),
  maxElements,
  minSerializedSize: 2,
  key,
  element: value,
});

/** `undefined` is none; everything else is adapted and wrapped. For `oldSelf` with optionalOldSelf. */
export const optionalType = (of: DeclaredType): DeclaredType => ({
  ...of,
  type: cel.optionalOf(of.type),
  adapt: optionalAdapter(of.adapt),
});

export const field = (type: DeclaredType, required = false): DeclaredField => ({ type, required });

/** Fields by the names that JSON has; here they are escaped, and those that cannot be are left out. */
export function objectType(name: string, fields: Readonly<Record<string, DeclaredField>>): DeclaredType {
  const adapters = new Map<string, Adapter>();
  const escaped = new Map<string, DeclaredField>();
  for (const [jsonName, declared] of Object.entries(fields)) {
    adapters.set(jsonName, declared.type.adapt);
    const key = escapeName(jsonName);
    if (key !== undefined) escaped.set(key, declared);
  }
  return {
    type: cel.objectNamed(name),
    adapt: objectAdapter(adapters),
    maxElements: 0,
    minSerializedSize: 2,
    fields: escaped,
  };
}

/** A type that the checker found, as a declaration: for the fields of `variables`. Of objects nothing but the name is known. */
export function declaredTypeOf(type: CelType): DeclaredType {
  const [first, second] = type.params;
  if (type.kind === 'list' && first) return { ...listType(declaredTypeOf(first)), type, adapt: adaptAny };
  if (type.kind === 'map' && first && second)
    return { ...mapType(declaredTypeOf(first), declaredTypeOf(second)), type, adapt: adaptAny };
  return BASIC.has(type.kind) ? { ...dynType, type } : dynType;
}

const BASIC: ReadonlySet<CelType['kind']> = new Set([
  'bool',
  'bytes',
  'double',
  'duration',
  'int',
  'null',
  'string',
  'timestamp',
  'uint',
]);
