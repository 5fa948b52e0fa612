/** Objects of any type of the API, made from what the facts say of its fields: for tests that hold for all of them. */
import type { Facts, FieldFacts, TypeFacts, TypeRef } from '#api/machinery/facts.ts';
import type { Random } from '#base/random.ts';

/** Deeper than this only what has no end is left out: schemas hold schemas. */
const MOST_DEPTH = 9;

export interface GeneratedKind {
  apiVersion: string;
  kind: string;
}

/** Every optional field is there in about half of the objects. The same random numbers make the same object. */
export function generatedObject(
  facts: Facts,
  type: TypeFacts,
  { apiVersion, kind }: GeneratedKind,
  random: Random,
): Record<string, unknown> {
  return { apiVersion, kind, ...(new Generator(facts, random).struct(type, 0) as Record<string, never>) };
}

class Generator {
  readonly #facts: Facts;
  readonly #random: Random;

  constructor(facts: Facts, random: Random) {
    this.#facts = facts;
    this.#random = random;
  }

  struct(type: TypeFacts, depth: number): unknown {
    if (type.union) return this.#union(type.union, depth);
    const entries = [...type.jsonFields.values()].flatMap((field): [string, unknown][] => {
      if (field.name === 'apiVersion' || field.name === 'kind') {
        // Of an object inside another one protobuf carries no type; of a reference it does.
        return depth === 0 || field.number === 0 ? [] : [[field.name, 'text']];
      }
      if (!field.required && this.#chance(0.5)) return [];
      const value = this.#value(field.type, field, depth + 1);
      return value === undefined ? [] : [[field.name, value]];
    });
    return Object.fromEntries(entries);
  }

  #union(union: NonNullable<TypeFacts['union']>, depth: number): unknown {
    if (union === 'bool') return this.#chance(0.5);
    if (union === 'stringArray') return ['a', 'b'];
    return depth > MOST_DEPTH ? {} : { type: 'string' };
  }

  #value(type: TypeRef, field: FieldFacts, depth: number): unknown {
    if ('ref' in type) {
      const target = this.#facts.type(type.ref);
      return target && depth <= MOST_DEPTH ? this.struct(target, depth) : undefined;
    }
    if ('list' in type) return this.#several(() => this.#value(type.list, field, depth + 1));
    if ('map' in type) {
      const values = this.#several(() => this.#value(type.map, field, depth + 1));
      return values && Object.fromEntries(values.map((value, index) => [`key${index}`, value]));
    }
    return this.#scalar(type.scalar, field);
  }

  /** At least one: an empty list and none are the same on the wire. */
  #several(make: () => unknown): unknown[] | undefined {
    const made = Array.from({ length: this.#int(1, 3) }, make).filter((value) => value !== undefined);
    return made.length > 0 ? made : undefined;
  }

  #scalar(scalar: string, { enum: allowed }: FieldFacts): unknown {
    if (allowed && allowed.length > 0) return allowed[this.#int(0, allowed.length - 1)];
    switch (scalar) {
      case 'string':
        return TEXTS[this.#int(0, TEXTS.length - 1)];
      case 'int32':
        return this.#int(1, 2 ** 31 - 1) * (this.#chance(0.2) ? -1 : 1);
      case 'int64':
        return this.#int(1, Number.MAX_SAFE_INTEGER) * (this.#chance(0.2) ? -1 : 1);
      case 'bool':
        return true;
      case 'double':
        return this.#int(1, 1000) / 8;
      case 'bytes':
        return 'AAECAw==';
      case 'quantity':
        return ['100m', '1', '1536Mi', '2500M', '3e10'][this.#int(0, 4)];
      case 'time':
        return `20${10 + this.#int(0, 80)}-0${this.#int(1, 9)}-11T12:13:14Z`;
      case 'microTime':
        return `20${10 + this.#int(0, 80)}-0${this.#int(1, 9)}-11T12:13:14.${100_000 + this.#int(0, 800_000)}Z`;
      case 'intOrString':
        return this.#chance(0.5) ? this.#int(1, 65_535) : '25%';
      case 'fieldsV1':
        return { 'f:spec': { 'f:replicas': {} } };
      default:
        return { any: ['thing', 1, { deep: true }] };
    }
  }

  #int(from: number, to: number): number {
    return from + Math.floor(this.#random.next() * (to - from + 1));
  }

  #chance(of: number): boolean {
    return this.#random.next() < of;
  }
}

/** What text can be that is hard to carry. */
const TEXTS = [
  'text',
  'two words',
  'two\nlines\n',
  'yes',
  '0x1f',
  '12:30',
  '"quoted" \'twice\'',
  'tab\there',
  'ünïcödé ☃ 🚢',
  '- dash',
  '# no comment',
  ' edges ',
  '__proto__',
  'null',
  '2026-01-01',
];
