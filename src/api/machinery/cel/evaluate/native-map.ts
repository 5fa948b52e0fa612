/** Maps that expressions make. */
import { numberOf } from '../operations/numbers.ts';
import { CelError, MapLike, type Value } from '../value.ts';

/** Numbers of different types that are equal are the same key. */
type Key = string | number | bigint | boolean | null;

function keyFor(value: Value): Key | undefined {
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return value;
  const number = numberOf(value);
  // A number and a bigint of the same value must not be two keys; those beyond 2^53 are doubles of whole numbers.
  return typeof number === 'number' && Number.isInteger(number) && !Number.isSafeInteger(number)
    ? BigInt(number)
    : number;
}

export class NativeMap extends MapLike {
  readonly #entries = new Map<Key, readonly [Value, Value]>();

  get size(): number {
    return this.#entries.size;
  }
  find(key: Value): Value | undefined {
    const known = keyFor(key);
    return known === undefined ? undefined : this.#entries.get(known)?.[1];
  }
  keys(): readonly Value[] {
    return [...this.#entries.values()].map(([key]) => key);
  }
  /** Only while the map is being made. */
  set(key: Value, value: Value): CelError | undefined {
    const known = keyFor(key);
    if (known === undefined) return UNSUPPORTED_KEY;
    this.#entries.set(known, [key, value]);
    return undefined;
  }
  has(key: Value): boolean {
    return this.find(key) !== undefined;
  }
}

const UNSUPPORTED_KEY = new CelError('unsupported key type');
