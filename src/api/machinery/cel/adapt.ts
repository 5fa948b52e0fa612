/** From plain JSON to values, one level at a time: a list or map adapts a part of it when the expression asks for that part. */
import { fromBase64 } from '../base64.ts';
import { isEqual } from '../equal.ts';
import { parseDuration } from './duration.ts';
import { escapeName, unescapeName } from './escaping.ts';
import { INT64_MAX, INT64_MIN, UINT64_MAX, wholeOf, wholeOfNumber } from './int64.ts';
import { parseTimestamp } from './timestamp.ts';
import {
  type Adapter,
  Boxed,
  CelError,
  Double,
  List,
  type ListKind,
  MapLike,
  Optional,
  type Result,
  Uint,
  type Value,
} from './value.ts';
import { spendWork } from './work.ts';

type Json = Readonly<Record<string, unknown>>;

/** JSON of which nothing is known. A value passes as it is. */
export function adaptAny(json: unknown): Result {
  switch (typeof json) {
    case 'string':
    case 'boolean':
      return json;
    case 'number':
      return adaptNumber(json);
    case 'bigint':
      return json > INT64_MAX || json < INT64_MIN ? new Double(Number(json)) : wholeOf(json);
    case 'object':
      if (json === null || json instanceof Boxed || json instanceof CelError) return json;
      if (Array.isArray(json)) return new List(json, adaptAny);
      return json instanceof Uint8Array ? json : new JsonMap(json as Json, adaptAny);
    default:
      return null;
  }
}

function adaptNumber(json: number): Value {
  if (Number.isSafeInteger(json) && !Object.is(json, -0)) return json;
  const isInt64 = Number.isInteger(json) && json < 2 ** 63 && json >= -(2 ** 63) && json !== 0;
  return isInt64 ? wholeOf(BigInt(json)) : new Double(json);
}

/** How Go names the type of such JSON, in messages. */
function goTypeOf(json: unknown): string {
  if (typeof json === 'string' || json === undefined || json === null) return json === null ? '<nil>' : typeof json;
  if (typeof json === 'boolean') return 'bool';
  if (typeof json === 'number') return Number.isInteger(json) ? 'int64' : 'float64';
  if (typeof json === 'bigint') return 'int64';
  return Array.isArray(json) ? '[]interface {}' : 'map[string]interface {}';
}

const NOT_NULLABLE = new CelError('invalid data, got null for schema with nullable=false');

/** null and values are dealt with before `adapt` sees anything. */
const strict =
  (adapt: Adapter): Adapter =>
  (json) => {
    if (json === null || json === undefined) return NOT_NULLABLE;
    if (typeof json === 'object' && (json instanceof Boxed || json instanceof CelError)) return json;
    return adapt(json);
  };

export const nullable =
  (adapt: Adapter): Adapter =>
  (json) =>
    json === null || json === undefined ? null : adapt(json);

const expected = (what: string, json: unknown) => new CelError(`invalid data, expected ${what}, got ${goTypeOf(json)}`);

const fromText = (parse: (text: string) => Result): Adapter =>
  strict((json) => (typeof json === 'string' ? parse(json) : expected('string', json)));

export const scalarAdapters = {
  bool: ((json) => (typeof json === 'boolean' ? json : strict((other) => expected('bool', other))(json))) as Adapter,
  string: ((json) => (typeof json === 'string' ? json : strict((other) => expected('string', other))(json))) as Adapter,
  int: ((json) => (Number.isSafeInteger(json) ? (json as number) : adaptInt(json))) as Adapter,
  uint: strict((json) => {
    const whole = typeof json === 'number' && Number.isInteger(json) ? BigInt(json) : json;
    return typeof whole === 'bigint' && whole >= 0n && whole <= UINT64_MAX
      ? new Uint(wholeOf(whole))
      : expected('uint', json);
  }),
  double: strict((json) =>
    typeof json === 'number' || typeof json === 'bigint' ? new Double(Number(json)) : expected('float', json),
  ),
  bytes: strict((json) => {
    if (json instanceof Uint8Array) return json;
    if (typeof json !== 'string') return expected('string', json);
    spendWork(json.length / 10);
    const bytes = fromBase64(json);
    return bytes instanceof Uint8Array
      ? bytes
      : new CelError(`Invalid byte formatted string ${json}: ${String(bytes)}`);
  }),
  null: ((json) => (json === null || json === undefined ? null : expected('null', json))) as Adapter,
  duration: fromText((text) => parseDuration(text) ?? new CelError(`Invalid duration ${text}: unable to parse`)),
  timestamp: fromText(
    (text) => parseTimestamp(text) ?? new CelError(`Invalid date-time formatted string ${text}: unable to parse`),
  ),
  date: fromText(
    (text) =>
      parseTimestamp(`${text}T00:00:00Z`) ?? new CelError(`Invalid date formatted string ${text}: unable to parse`),
  ),
  intOrString: strict((json) =>
    typeof json === 'string' || (typeof json === 'number' && Number.isInteger(json))
      ? adaptAny(json)
      : new CelError('invalid data, expected XIntOrString value to be either a string or integer'),
  ),
} as const;

const adaptInt = strict((json) => {
  if (typeof json === 'bigint' && json <= INT64_MAX && json >= INT64_MIN) return wholeOf(json);
  if (typeof json === 'number' && Number.isInteger(json) && Math.abs(json) <= 2 ** 63) return wholeOfNumber(json);
  return expected('int', json);
});

export const listAdapter = (item: Adapter, kind?: ListKind): Adapter =>
  strict((json) =>
    Array.isArray(json)
      ? new List(json, item, kind)
      : new CelError('invalid data, expected an array for the provided schema with type=array'),
  );

const NO_MAP = new CelError('invalid data, expected a map for the provided schema with type=object');

export const mapAdapter = (value: Adapter): Adapter =>
  strict((json) => (typeof json === 'object' && !Array.isArray(json) ? new JsonMap(json as Json, value) : NO_MAP));

export const optionalAdapter =
  (of: Adapter): Adapter =>
  (json) => {
    if (json === undefined) return Optional.none;
    if (json instanceof Optional) return json;
    const value = of(json);
    return value instanceof CelError ? value : new Optional(value);
  };

/** `fields` by the names that JSON has. */
export function objectAdapter(fields: ReadonlyMap<string, Adapter>): Adapter {
  return strict((json) =>
    typeof json === 'object' && !Array.isArray(json) ? new JsonObject(json as Json, fields) : NO_MAP,
  );
}

/** Counted once for each object: expressions ask again and again, and a size costs next to nothing. */
const sizes = new WeakMap<Json, number>();

function sizeOfJson(json: Json): number {
  const known = sizes.get(json);
  if (known !== undefined) return known;
  const size = Object.keys(json).length;
  sizes.set(json, size);
  return size;
}

/** A map of JSON whose values all have one type. */
export class JsonMap extends MapLike {
  readonly json: Json;
  readonly adapt: Adapter;
  constructor(json: Json, adapt: Adapter) {
    super();
    this.json = json;
    this.adapt = adapt;
  }
  get size(): number {
    return sizeOfJson(this.json);
  }
  find(key: Value): Result | undefined {
    if (typeof key !== 'string' || !Object.hasOwn(this.json, key)) return undefined;
    const json = this.json[key];
    return json === undefined ? undefined : this.adapt(json);
  }
  keys(): readonly Value[] {
    return Object.keys(this.json);
  }
}

/** An object with fields: asked by escaped names; a field that is null is a field that is not there. */
export class JsonObject extends MapLike {
  readonly json: Json;
  readonly fields: ReadonlyMap<string, Adapter>;
  constructor(json: Json, fields: ReadonlyMap<string, Adapter>) {
    super();
    this.json = json;
    this.fields = fields;
  }
  get size(): number {
    return sizeOfJson(this.json);
  }
  find(key: Value): Result | undefined {
    if (typeof key !== 'string') return undefined;
    const name = unescapeName(key);
    const adapt = name === undefined ? undefined : this.fields.get(name);
    if (name === undefined || adapt === undefined || !Object.hasOwn(this.json, name)) return undefined;
    const json = this.json[name];
    return json === null || json === undefined ? undefined : adapt(json);
  }
  /** Of the fields that can be asked for. */
  keys(): readonly Value[] {
    const names = Object.keys(this.json).filter((name) => this.fields.has(name));
    return names.map((name) => escapeName(name) ?? name);
  }
  /** A field that is not in the schema is compared as JSON; one that only one of the objects has does not count. */
  override equalsHidden(other: MapLike): boolean {
    if (!(other instanceof JsonObject)) return true;
    const hidden = Object.keys(this.json).filter((name) => !this.fields.has(name) && Object.hasOwn(other.json, name));
    return hidden.every((name) => isEqual(this.json[name], other.json[name]));
  }
}
