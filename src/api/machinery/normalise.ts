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

const NONE: readonly string[] = Object.freeze([]);

/** Counted in fields and list places; a CRD's schema needs some 150. */
const MAX_DEPTH = 500;
const MAX_UNKNOWN_FIELDS = 100;

/**
 * `input` is anything that JSON could hold, of an in-process caller too; it is not changed. The result shares nothing with it
 * but the parts of `settled`: an object of this type that went through here before, of which whatever stands in `input` at its
 * own place is kept as it is.
 */
export function normalise(facts: Facts, type: TypeFacts, input: unknown, settled?: unknown): Normalised {
  const pass = newPass(facts);
  const object = structValue(input, type, pass, settled);
  return pass.problem === undefined
    ? { object: object as Record<string, unknown>, unknownFields: pass.unknownFields ? [...pass.unknownFields] : NONE }
    : { problem: pass.problem };
}

/** `strict decoding error: unknown field "spec.foo", duplicate field "spec.bar"`. */
export const strictProblem = (errors: readonly string[]): string => `strict decoding error: ${errors.join(', ')}`;
export const unknownFieldText = (path: string): string => `unknown field "${path}"`;

/** One warning for each line of what a reader of YAML has found. */
export const strictWarnings = (errors: readonly string[]): string[] =>
  errors.flatMap((error) => {
    if (!error.startsWith(YAML_ERRORS)) return [error];
    return error
      .slice(YAML_ERRORS.length)
      .split('\n')
      .map((line) => line.trim());
  });
const YAML_ERRORS = 'yaml: unmarshal errors:\n';

interface Pass {
  facts: Facts;
  /** undefined: none yet. */
  unknownFields: Set<string> | undefined;
  /** Of the first misfit, as Go reports it; the rest is still walked, its result thrown away. */
  problem: string | undefined;
  /** Inside values with decoders of their own upstream does not look for unknown fields. */
  quiet: boolean;
  /** Where in the input the walk is: for messages only, so no place is made for the many fields that are fine. */
  path: Step[];
}

/** A field of a struct, a key of a map, a place of a list. */
type Step = PlannedField | string | number;

const newPass = (facts: Facts): Pass => ({
  facts,
  unknownFields: undefined,
  problem: undefined,
  quiet: false,
  path: [],
});

/** What stands at this place in an object that is in shape. The same elsewhere may be of another type: a patch can move it. */
const partAt = (settled: unknown, key: string | number): unknown =>
  typeof settled === 'object' && settled !== null && Object.hasOwn(settled, key)
    ? (settled as Record<string | number, unknown>)[key]
    : undefined;

const isSettled = (input: unknown, settled: unknown): boolean => settled !== undefined && input === settled;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function structValue(input: unknown, type: TypeFacts, pass: Pass, settled: unknown): unknown {
  if (isSettled(input, settled)) return input;
  if (type.union) return unionValue(input, type, pass, settled);
  if (!isObject(input)) return misfit(pass, input, goTypeName(type.name));
  const { path } = pass;
  if (path.length > MAX_DEPTH) return refuse(pass, 'exceeded max depth');
  const plan = planOf(type, pass.facts);
  if (!pass.quiet) noteUnknown(input, plan.known, pass);

  const object: Record<string, unknown> = {};
  for (const planned of plan.fields) {
    const { field } = planned;
    const { name } = field;
    const given = Object.hasOwn(input, name) ? input[name] : undefined;
    let value: unknown;
    if (given !== undefined && given !== null) {
      path.push(planned);
      value = elementValue(given, field.type, pass, partAt(settled, name));
      path.pop();
    }
    const kept =
      value !== undefined && !(field.omitEmpty && isEmpty(value, field)) ? value : absentIn(planned, pass.facts);
    if (kept !== undefined) object[name] = kept;
  }
  return Object.freeze(object);
}

function noteUnknown(input: Record<string, unknown>, known: ReadonlySet<string>, pass: Pass): void {
  for (const key in input) {
    if (known.has(key)) continue;
    pass.unknownFields ??= new Set();
    if (pass.unknownFields.size < MAX_UNKNOWN_FIELDS) pass.unknownFields.add(jsonPath([...pass.path, key]));
  }
}

function elementValue(given: unknown, type: TypeRef, pass: Pass, settled: unknown): unknown {
  if ('ref' in type) return structValue(given, typeNamed(pass.facts, type.ref), pass, settled);
  if ('list' in type) return listValue(given, type, pass, settled);
  if ('map' in type) return mapValue(given, type, pass, settled);
  if (type.scalar === 'string' && typeof given === 'string') return given; // most are
  if (type.scalar === 'raw' || type.scalar === 'fieldsV1') {
    const raw = cloneRaw(given, MAX_DEPTH - pass.path.length);
    return 'problem' in raw ? refuse(pass, raw.problem) : raw.value;
  }
  const result = normaliseScalar(given, type.scalar);
  if ('problem' in result) return refuse(pass, result.problem);
  if ('expected' in result) return misfit(pass, given, result.expected);
  return result.value;
}

function listValue(given: unknown, type: TypeRef & { list: TypeRef }, pass: Pass, settled: unknown): unknown {
  if (isSettled(given, settled)) return given;
  if (!Array.isArray(given)) return misfit(pass, given, goTypeText(type));
  const list = given.map((element, index) => partValue(element, index, type.list, pass, settled));
  return Object.freeze(list);
}

function mapValue(given: unknown, type: TypeRef & { map: TypeRef }, pass: Pass, settled: unknown): unknown {
  if (isSettled(given, settled)) return given;
  if (!isObject(given)) return misfit(pass, given, goTypeText(type));
  const map: Record<string, unknown> = {};
  for (const key of Object.keys(given)) {
    const value = given[key];
    if (value !== undefined) setOwn(map, key, partValue(value, key, type.map, pass, settled));
  }
  return Object.freeze(map);
}

/** Of a list or a map; `settled` is what stands there in place of all of it. */
function partValue(given: unknown, key: string | number, type: TypeRef, pass: Pass, settled: unknown): unknown {
  pass.path.push(key);
  const value =
    given === null || given === undefined
      ? zeroElement(type, pass)
      : elementValue(given, type, pass, partAt(settled, key));
  pass.path.pop();
  return value;
}

/** What Go makes of a null in a list or a map; of bytes, what is there once they were stored. */
function zeroElement(type: TypeRef, pass: Pass): unknown {
  if (isScalar(type, 'bytes')) return '';
  if ('scalar' in type) return zeroOf(type.scalar) ?? null;
  if ('ref' in type) return structValue({}, typeNamed(pass.facts, type.ref), pass, undefined);
  return 'list' in type ? EMPTY_LIST : EMPTY_MAP;
}

const EMPTY_LIST: readonly unknown[] = Object.freeze([]);
const EMPTY_MAP = Object.freeze({});

/** A status that nobody has given is for the kind to begin, not for this pass. */
const BEGUN_BY_THE_KIND = 'status';
/** The one time of the API whose tag says omitzero. */
const OMITTED_AT_ZERO = 'creationTimestamp';

/** What stands where nothing is given: found out once, for most objects leave most of their fields out. */
function absentIn(planned: PlannedField, facts: Facts): unknown {
  planned.absent ??= { value: absentValue(planned.field, facts) };
  return planned.absent.value;
}

/** Go's omitempty never leaves out a struct, nor what is one beneath its text: a time (null) or a quantity. */
function absentValue(field: FieldFacts, facts: Facts): unknown {
  const { type, pointer, omitEmpty } = field;
  if (pointer) return omitEmpty ? undefined : 'list' in type ? EMPTY_LIST : 'map' in type ? EMPTY_MAP : undefined;
  if ('ref' in type) {
    if (omitEmpty && field.name === BEGUN_BY_THE_KIND) return undefined;
    return zeroStruct(typeNamed(facts, type.ref), facts);
  }
  if (!('scalar' in type)) return undefined;
  if (isTime(type)) return field.name === OMITTED_AT_ZERO ? undefined : null;
  if (omitEmpty && !isScalar(type, 'quantity')) return undefined;
  return zeroOf(type.scalar);
}

/** Frozen, so that all objects of a program can hold the same one. */
function zeroStruct(type: TypeFacts, facts: Facts): unknown {
  const plan = planOf(type, facts);
  plan.zero ??= structValue({}, type, newPass(facts), undefined);
  return plan.zero;
}

const isTime = (type: TypeRef): boolean => isScalar(type, 'time') || isScalar(type, 'microTime');
const isScalar = (type: TypeRef, scalar: Scalar): boolean => 'scalar' in type && type.scalar === scalar;

/** As Go's omitempty sees it; a struct in which nothing is counts as not given. */
function isEmpty(value: unknown, field: FieldFacts): boolean {
  if (Array.isArray(value)) return value.length === 0;
  if ('map' in field.type) return Object.keys(value as object).length === 0;
  if (isScalar(field.type, 'bytes')) return value === '';
  if (field.pointer) return false;
  if ('ref' in field.type) return Object.keys(value as object).length === 0;
  if (isScalar(field.type, 'quantity')) return false;
  return value === '' || value === 0 || value === false;
}

/** Of JSONSchemaProps: a schema, or what stands beside it. Upstream decodes the inside afresh, without looking for unknown fields. */
function unionValue(given: unknown, type: TypeFacts, pass: Pass, settled: unknown): unknown {
  const inner: Pass = { ...pass, quiet: true };
  const value = unionPart(given, type, inner, settled);
  pass.problem ??= inner.problem;
  return value;
}

function unionPart(given: unknown, type: TypeFacts, pass: Pass, settled: unknown): unknown {
  const part = (name: string, value: unknown) => elementValue(value, type.jsonFields.get(name)!.type, pass, settled);
  if (isObject(given)) return part('schema', given);
  if (type.union === 'bool')
    return typeof given === 'boolean' ? given : refuse(pass, 'boolean or JSON schema expected');
  if (Array.isArray(given)) return part(type.union === 'array' ? 'jSONSchemas' : 'property', given);
  return undefined;
}

/** A field as JSON has it: those of embedded structs stand among its struct's own. */
interface PlannedField {
  field: FieldFacts;
  /** Go's name of the struct, and its embedded structs on the way: for messages about types. */
  owner: string;
  embedded: readonly string[];
  /** What stands there when nothing is given, once that was asked for. */
  absent: { readonly value: unknown } | undefined;
}

interface Plan {
  fields: readonly PlannedField[];
  known: ReadonlySet<string>;
  /** The struct in which nothing is given, once it was needed. */
  zero?: unknown;
}

const plans = new WeakMap<TypeFacts, Plan>();

function planOf(type: TypeFacts, facts: Facts): Plan {
  let plan = plans.get(type);
  if (!plan) {
    const place = { owner: shortName(type.name), embedded: [] };
    plan = { fields: planFields(type, facts, place), known: new Set(type.jsonFields.keys()) };
    plans.set(type, plan);
  }
  return plan;
}

function planFields(type: TypeFacts, facts: Facts, place: Pick<PlannedField, 'owner' | 'embedded'>): PlannedField[] {
  return type.fields.flatMap((field) => {
    if (!field.inline || !('ref' in field.type)) return [{ field, ...place, absent: undefined }];
    const inner = facts.type(field.type.ref);
    if (!inner) return [];
    return planFields(inner, facts, { ...place, embedded: [...place.embedded, shortName(inner.name)] });
  });
}

const shortName = (name: string): string => name.slice(name.lastIndexOf('.') + 1);

function typeNamed(facts: Facts, name: string): TypeFacts {
  const type = facts.type(name);
  if (!type) throw new Error(`the facts refer to ${name} and do not have it`);
  return type;
}

function refuse(pass: Pass, problem: string): undefined {
  pass.problem ??= problem;
}

function misfit(pass: Pass, given: unknown, expected: string): undefined {
  const value = Array.isArray(given) ? 'array' : typeof given === 'boolean' ? 'bool' : typeof given;
  const shown = value === 'number' && /^u?int|^float/.test(expected) ? `number ${given}` : value;
  const fields = pass.path.filter((step) => typeof step === 'object');
  const into = fields.length > 0 ? `Go struct field ${fields.at(-1)!.owner}.${goPath(fields)}` : 'Go value';
  return refuse(pass, `json: cannot unmarshal ${shown} into ${into} of type ${expected}`);
}

/** As Go's decoder names a place: struct fields only, without indices, with the names of embedded structs. */
const goPath = (fields: readonly PlannedField[]): string =>
  fields.flatMap(({ field, embedded }) => [...embedded, field.name]).join('.');

function jsonPath(path: readonly Step[]): string {
  let text = '';
  for (const step of path) {
    const key = typeof step === 'object' ? step.field.name : step;
    text += typeof key === 'number' ? `[${key}]` : text === '' ? key : `.${key}`;
  }
  return text;
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
