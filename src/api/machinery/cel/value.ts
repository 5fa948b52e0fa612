/**
 * What an expression computes with. Bool, string and null are JavaScript's own; an int is a number as long as it is one
 * exactly, else a bigint (`int64.ts`); everything else is a class, all of which are `Boxed`.
 */
import type { CelType } from './cel-type.ts';
import * as cel from './cel-type.ts';

export type Int = number | bigint;
export type Value = boolean | Int | string | null | Uint8Array | Boxed;
/** What a step gives: errors are values, because `&&`, `||` and the quantifiers may leave them aside. */
export type Result = Value | CelError;

/** Makes a value of a piece of plain JSON, without looking deeper into it than one level. */
export type Adapter = (json: unknown) => Result;

/** With cel-go's text, e.g. `no such key: x`. */
export class CelError {
  readonly message: string;
  constructor(message: string) {
    this.message = message;
  }
}

export abstract class Boxed {
  abstract get type(): CelType;
}

export class Double extends Boxed {
  readonly value: number;
  constructor(value: number) {
    super();
    this.value = value;
  }
  get type(): CelType {
    return cel.DOUBLE;
  }
}

export class Uint extends Boxed {
  /** A number when it is one exactly, else a bigint. */
  readonly value: Int;
  constructor(value: Int) {
    super();
    this.value = value;
  }
  get type(): CelType {
    return cel.UINT;
  }
}

export class Duration extends Boxed {
  /** An int64. */
  readonly nanos: bigint;
  constructor(nanos: bigint) {
    super();
    this.nanos = nanos;
  }
  get type(): CelType {
    return cel.DURATION;
  }
}

export class Timestamp extends Boxed {
  /** Since the epoch, of the years 1 to 9999. */
  readonly seconds: number;
  /** 0 to 999,999,999. */
  readonly nanos: number;
  /** Of the zone it was written in, east of UTC; only its text shows it. */
  readonly offsetMinutes: number;
  constructor(seconds: number, nanos: number, offsetMinutes = 0) {
    super();
    this.seconds = seconds;
    this.nanos = nanos;
    this.offsetMinutes = offsetMinutes;
  }
  get type(): CelType {
    return cel.TIMESTAMP;
  }
}

/** A type as a value: what `type(x)` gives, and what `int` in an expression is. */
export class TypeValue extends Boxed {
  readonly of: CelType;
  constructor(of: CelType) {
    super();
    this.of = of;
  }
  get type(): CelType {
    return cel.typeOf();
  }
}

export class Optional extends Boxed {
  static readonly none = new Optional(undefined);
  /** undefined: none. */
  readonly value: Value | undefined;
  constructor(value: Value | undefined) {
    super();
    this.value = value;
  }
  get type(): CelType {
    return OPTIONAL;
  }
}

const OPTIONAL = cel.optionalOf(cel.DYN);

/** How lists of a schema compare and are added: sets and maps have no order. */
export type ListKind = { kind: 'set' } | { kind: 'map'; keys: readonly string[] };

/** Of values, or of JSON which `adapt` makes values of. Ask by `size` and `at`: a list of lists has no items of its own. */
export class List extends Boxed {
  protected readonly items: readonly unknown[];
  readonly adapt: Adapter | undefined;
  readonly kind: ListKind | undefined;
  constructor(items: readonly unknown[], adapt?: Adapter, kind?: ListKind) {
    super();
    this.items = items;
    this.adapt = adapt;
    this.kind = kind;
  }
  get type(): CelType {
    return LIST;
  }
  get size(): number {
    return this.items.length;
  }
  /** The index must be within the size. */
  at(index: number): Result {
    const item = this.items[index];
    return this.adapt === undefined ? (item as Value) : this.adapt(item);
  }
  /** JSON where the list is one of JSON. */
  rawAt(index: number): unknown {
    return this.items[index];
  }
}

/** Two lists as one: adding costs the same however long they are. */
export class JoinedList extends List {
  readonly #first: List;
  readonly #second: List;
  constructor(first: List, second: List) {
    super([]);
    this.#first = first;
    this.#second = second;
    this.#size = first.size + second.size;
  }
  readonly #size: number;
  override get size(): number {
    return this.#size;
  }
  override at(index: number): Result {
    const { size } = this.#first;
    return index < size ? this.#first.at(index) : this.#second.at(index - size);
  }
  override rawAt(index: number): unknown {
    const { size } = this.#first;
    return index < size ? this.#first.rawAt(index) : this.#second.rawAt(index - size);
  }
}

const LIST = cel.listOf(cel.DYN);

/** Maps, and objects, which are maps from the names of their fields. */
export abstract class MapLike extends Boxed {
  get type(): CelType {
    return MAP;
  }
  abstract readonly size: number;
  /** undefined when there is no such key. */
  abstract find(key: Value): Result | undefined;
  /** In no promised order. */
  abstract keys(): readonly Value[];
  /** Whether what expressions cannot see is the same too. */
  equalsHidden(_other: MapLike): boolean {
    return true;
  }
}

const MAP = cel.mapOf(cel.DYN, cel.DYN);

/** A value of a library, such as a quantity: equal only to its own kind. */
export abstract class Opaque extends Boxed {
  abstract equals(other: Value): boolean;
  /** For costs: 1 of what has no size. */
  get size(): number {
    return 1;
  }
  /** Of values that have an order. */
  compare?(other: Value): number | CelError;
  /** What it is as JSON. */
  toJson(): unknown {
    return null;
  }
}

/** The type that `type(x)` gives. */
export function typeOfValue(value: Value): CelType {
  switch (typeof value) {
    case 'boolean':
      return cel.BOOL;
    case 'number':
    case 'bigint':
      return cel.INT;
    case 'string':
      return cel.STRING;
    default:
      if (value === null) return cel.NULL;
      return value instanceof Boxed ? value.type : cel.BYTES;
  }
}

/** An object that an expression made: `Object.spec{replicas: 1}`. Only the fields that were set are there. */
export class StructValue extends Boxed {
  readonly #type: CelType;
  readonly fields: ReadonlyMap<string, Value>;
  readonly #defaults: ReadonlyMap<string, Value>;
  /** `defaults`: what fields that were not set are when they are asked for. */
  constructor(type: CelType, fields: ReadonlyMap<string, Value>, defaults: ReadonlyMap<string, Value> = NO_DEFAULTS) {
    super();
    this.#type = type;
    this.fields = fields;
    this.#defaults = defaults;
  }
  get type(): CelType {
    return this.#type;
  }
  unset(field: Value): Value {
    return typeof field === 'string' ? (this.#defaults.get(field) ?? null) : null;
  }
}

const NO_DEFAULTS: ReadonlyMap<string, Value> = new Map();
