/**
 * The pass between what a client sent and what the system works with: a frozen copy that has exactly the shape of its type.
 * It does what upstream's decoding into Go structs and encoding back does: unknown fields go, nulls go, zero values of
 * `omitempty` fields go, other absent fields that are not pointers get their zero value (a time null), quantities and times
 * their canonical text. Defaults are the kind's. Source: encoding/json as apimachinery v1.36 uses it (sigs.k8s.io/json).
 */
import type { Facts, FieldFacts, Scalar, TypeFacts, TypeRef } from './facts.ts';
import { normaliseScalar, zeroOf } from './normalise-scalar.ts';
import { cloneRaw } from './raw-value.ts';
import { setOwn } from './set-own.ts';

/** `problem`: upstream's text of the first value that does not fit. `unknownFields`: paths in order, each once, at most 100. */
export type Normalised = { object: Record<string, unknown>; unknownFields: readonly string[] } | { problem: string };

/** Counted in fields and list places; a CRD's schema needs some 150. */
const MAX_DEPTH = 500;
const MAX_UNKNOWN_FIELDS = 100;

/**
 * `input` is anything that JSON could hold, of an in-process caller too; it is not changed. The result shares nothing with it
 * but the parts of `settled`: an object of this type that went through here before, of which whatever stands in `input` at its
 * own place is kept as it is.
 */
export function normalise(facts: Facts, type: TypeFacts, input: unknown, settled?: unknown): Normalised {
  const pass: Pass = { facts, unknownFields: new Set(), problem: undefined, quiet: false };
  const object = structValue(input, type, { pass, at: ROOT, settled });
  return pass.problem === undefined
    ? { object: object as Record<string, unknown>, unknownFields: [...pass.unknownFields] }
    : { problem: pass.problem };
}

/** `strict decoding error: unknown field "spec.foo", duplicate field "spec.bar"`. */
export const strictProblem = (errors: readonly string[]): string => `strict decoding error: ${errors.join(', ')}`;
export const unknownFieldText = (path: string): string => `unknown field "${path}"`;

interface Pass {
  facts: Facts;
  unknownFields: Set<string>;
  /** Of the first misfit, as Go reports it; the rest is still walked, its result thrown away. */
  problem: string | undefined;
  /** Inside values with decoders of their own upstream does not look for unknown fields. */
  quiet: boolean;
}

/** A place in the input. Kept as a chain, so that nothing is concatenated for the many fields that are fine. */
interface Place {
  parent?: Place;
  key: string | number;
  /** Go's name of the struct that holds the field, and its embedded structs on the way: for messages about types. */
  owner?: string;
  embedded?: readonly string[];
  depth: number;
}

interface Cursor {
  pass: Pass;
  at: Place;
  /** What stands here in an object that is in shape. The same elsewhere may be of another type: a patch can move it. */
  settled?: unknown;
}

const ROOT: Place = { key: '', depth: 0 };

const below = (
  { pass, at, settled }: Cursor,
  key: string | number,
  more: { owner?: string; embedded?: readonly string[] } = {},
): Cursor => {
  const place: Place = { parent: at, key, depth: at.depth + 1, ...more };
  return settled === undefined ? { pass, at: place } : { pass, at: place, settled: partAt(settled, key) };
};

const partAt = (value: unknown, key: string | number): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, key)
    ? (value as Record<string | number, unknown>)[key]
    : undefined;

const isSettled = (input: unknown, { settled }: Cursor): boolean => settled !== undefined && input === settled;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function structValue(input: unknown, type: TypeFacts, cursor: Cursor): unknown {
  if (isSettled(input, cursor)) return input;
  if (type.union) return unionValue(input, type, cursor);
  if (!isObject(input)) return misfit(cursor, input, goTypeName(type.name));
  if (cursor.at.depth > MAX_DEPTH) return refuse(cursor, 'exceeded max depth');
  const plan = planOf(type, cursor.pass.facts);
  if (!cursor.pass.quiet) noteUnknown(input, plan.known, cursor);

  const object: Record<string, unknown> = {};
  for (const { field, embedded } of plan.fields) {
    const given = Object.hasOwn(input, field.name) ? input[field.name] : undefined;
    const value =
      given === undefined || given === null
        ? undefined
        : fieldValue(given, field, below(cursor, field.name, { owner: plan.goName, embedded }));
    const kept =
      value !== undefined && !(field.omitEmpty && isEmpty(value, field)) ? value : absentValue(field, cursor);
    if (kept !== undefined) object[field.name] = kept;
  }
  return Object.freeze(object);
}

function noteUnknown(input: Record<string, unknown>, known: ReadonlySet<string>, cursor: Cursor): void {
  for (const key of Object.keys(input)) {
    if (known.has(key) || cursor.pass.unknownFields.size >= MAX_UNKNOWN_FIELDS) continue;
    cursor.pass.unknownFields.add(jsonPath(below(cursor, key).at));
  }
}

function fieldValue(given: unknown, field: FieldFacts, cursor: Cursor): unknown {
  const { type } = field;
  if ('list' in type) return listValue(given, type, cursor);
  if ('map' in type) return mapValue(given, type, cursor);
  return elementValue(given, type, cursor);
}

function elementValue(given: unknown, type: TypeRef, cursor: Cursor): unknown {
  if ('ref' in type) return structValue(given, typeNamed(cursor, type.ref), cursor);
  if ('list' in type) return listValue(given, type, cursor);
  if ('map' in type) return mapValue(given, type, cursor);
  if (type.scalar === 'raw' || type.scalar === 'fieldsV1') {
    const raw = cloneRaw(given, MAX_DEPTH - cursor.at.depth);
    return 'problem' in raw ? refuse(cursor, raw.problem) : raw.value;
  }
  const result = normaliseScalar(given, type.scalar);
  if ('problem' in result) return refuse(cursor, result.problem);
  if ('expected' in result) return misfit(cursor, given, result.expected);
  return result.value;
}

function listValue(given: unknown, type: TypeRef & { list: TypeRef }, cursor: Cursor): unknown {
  if (isSettled(given, cursor)) return given;
  if (!Array.isArray(given)) return misfit(cursor, given, goTypeText(type));
  const list = given.map((element, index) =>
    element === null || element === undefined
      ? zeroElement(type.list, below(cursor, index))
      : elementValue(element, type.list, below(cursor, index)),
  );
  return Object.freeze(list);
}

function mapValue(given: unknown, type: TypeRef & { map: TypeRef }, cursor: Cursor): unknown {
  if (isSettled(given, cursor)) return given;
  if (!isObject(given)) return misfit(cursor, given, goTypeText(type));
  const map: Record<string, unknown> = {};
  for (const key of Object.keys(given)) {
    const value = given[key];
    if (value === undefined) continue;
    const element =
      value === null ? zeroElement(type.map, below(cursor, key)) : elementValue(value, type.map, below(cursor, key));
    setOwn(map, key, element);
  }
  return Object.freeze(map);
}

/** What Go makes of a null in a list or a map. */
function zeroElement(type: TypeRef, cursor: Cursor): unknown {
  if ('scalar' in type) return zeroOf(type.scalar) ?? null;
  return 'ref' in type ? structValue({}, typeNamed(cursor, type.ref), cursor) : 'list' in type ? EMPTY_LIST : EMPTY_MAP;
}

const EMPTY_LIST: readonly unknown[] = Object.freeze([]);
const EMPTY_MAP = Object.freeze({});

/** A status that nobody has given is for the kind to begin, not for this pass. */
const BEGUN_BY_THE_KIND = 'status';
/** The one time of the API whose tag says omitzero. */
const OMITTED_AT_ZERO = 'creationTimestamp';

/** Go's omitempty never leaves out a struct, nor what is one beneath its text: a time (null) or a quantity. */
function absentValue(field: FieldFacts, cursor: Cursor): unknown {
  const { type, pointer, omitEmpty } = field;
  if (pointer) return omitEmpty ? undefined : 'list' in type ? EMPTY_LIST : 'map' in type ? EMPTY_MAP : undefined;
  if ('ref' in type) {
    if (omitEmpty && field.name === BEGUN_BY_THE_KIND) return undefined;
    return zeroStruct(typeNamed(cursor, type.ref), cursor);
  }
  if (!('scalar' in type)) return undefined;
  if (isTime(type)) return field.name === OMITTED_AT_ZERO ? undefined : null;
  if (omitEmpty && !isScalar(type, 'quantity')) return undefined;
  return zeroOf(type.scalar);
}

/** Frozen, so that all objects of a program can hold the same one. */
function zeroStruct(type: TypeFacts, cursor: Cursor): unknown {
  const plan = planOf(type, cursor.pass.facts);
  plan.zero ??= structValue({}, type, { ...cursor, at: ROOT });
  return plan.zero;
}

const isTime = (type: TypeRef): boolean => isScalar(type, 'time') || isScalar(type, 'microTime');
const isScalar = (type: TypeRef, scalar: Scalar): boolean => 'scalar' in type && type.scalar === scalar;

/** As Go's omitempty sees it; a struct in which nothing is counts as not given. */
function isEmpty(value: unknown, field: FieldFacts): boolean {
  if (Array.isArray(value)) return value.length === 0;
  if ('map' in field.type) return Object.keys(value as object).length === 0;
  if (field.pointer) return false;
  if ('ref' in field.type) return Object.keys(value as object).length === 0;
  if (isScalar(field.type, 'quantity')) return false;
  return value === '' || value === 0 || value === false;
}

/** Of JSONSchemaProps: a schema, or what stands beside it. Upstream decodes the inside afresh, without looking for unknown fields. */
function unionValue(given: unknown, type: TypeFacts, cursor: Cursor): unknown {
  const inner: Cursor = { ...cursor, pass: { ...cursor.pass, quiet: true } };
  const value = unionPart(given, type, inner);
  cursor.pass.problem ??= inner.pass.problem;
  return value;
}

function unionPart(given: unknown, type: TypeFacts, cursor: Cursor): unknown {
  const part = (name: string, value: unknown) => fieldValue(value, type.jsonFields.get(name)!, cursor);
  if (isObject(given)) return part('schema', given);
  if (type.union === 'bool')
    return typeof given === 'boolean' ? given : refuse(cursor, 'boolean or JSON schema expected');
  if (Array.isArray(given)) return part(type.union === 'array' ? 'jSONSchemas' : 'property', given);
  return undefined;
}

interface Plan {
  fields: readonly { field: FieldFacts; embedded: readonly string[] }[];
  known: ReadonlySet<string>;
  goName: string;
  /** The struct in which nothing is given, once it was needed. */
  zero?: unknown;
}

const plans = new WeakMap<TypeFacts, Plan>();

function planOf(type: TypeFacts, facts: Facts): Plan {
  let plan = plans.get(type);
  if (!plan) {
    plan = {
      fields: planFields(type, facts, []),
      known: new Set(type.jsonFields.keys()),
      goName: shortName(type.name),
    };
    plans.set(type, plan);
  }
  return plan;
}

function planFields(type: TypeFacts, facts: Facts, embedded: readonly string[]): Plan['fields'] {
  return type.fields.flatMap((field) => {
    if (!field.inline || !('ref' in field.type)) return [{ field, embedded }];
    const inner = facts.type(field.type.ref);
    return inner ? planFields(inner, facts, [...embedded, shortName(inner.name)]) : [];
  });
}

const shortName = (name: string): string => name.slice(name.lastIndexOf('.') + 1);

function typeNamed({ pass }: Cursor, name: string): TypeFacts {
  const type = pass.facts.type(name);
  if (!type) throw new Error(`the facts refer to ${name} and do not have it`);
  return type;
}

function refuse({ pass }: Cursor, problem: string): undefined {
  pass.problem ??= problem;
}

function misfit(cursor: Cursor, given: unknown, expected: string): undefined {
  const value = Array.isArray(given) ? 'array' : typeof given === 'boolean' ? 'bool' : typeof given;
  const shown = value === 'number' && /^u?int|^float/.test(expected) ? `number ${given}` : value;
  const owner = ownerOf(cursor.at);
  const into = owner ? `Go struct field ${owner}.${goPath(cursor.at)}` : 'Go value';
  return refuse(cursor, `json: cannot unmarshal ${shown} into ${into} of type ${expected}`);
}

const ownerOf = (at: Place | undefined): string | undefined => (at ? (at.owner ?? ownerOf(at.parent)) : undefined);

/** As Go's decoder names a place: struct fields only, without indices, with the names of embedded structs. */
function goPath(at: Place): string {
  const before = at.parent ? goPath(at.parent) : '';
  if (at.owner === undefined) return before;
  return [before, ...(at.embedded ?? []), at.key].filter((part) => part !== '').join('.');
}

function jsonPath(at: Place): string {
  const before = at.parent ? jsonPath(at.parent) : '';
  if (typeof at.key === 'number') return `${before}[${at.key}]`;
  return before === '' ? at.key : `${before}.${at.key}`;
}

const GO_SCALARS: Record<string, string> = {
  double: 'float64',
  bytes: '[]uint8',
  quantity: 'resource.Quantity',
  time: 'v1.Time',
  microTime: 'v1.MicroTime',
  intOrString: 'intstr.IntOrString',
  raw: 'runtime.RawExtension',
  fieldsV1: 'v1.FieldsV1',
};

const goTypeName = (name: string): string => name.split('.').slice(1).join('.');

function goTypeText(type: TypeRef): string {
  if ('scalar' in type) return GO_SCALARS[type.scalar] ?? type.scalar;
  if ('ref' in type) return goTypeName(type.ref);
  return 'list' in type ? `[]${goTypeText(type.list)}` : `map[string]${goTypeText(type.map)}`;
}
