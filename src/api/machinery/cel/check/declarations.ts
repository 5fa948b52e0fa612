/** What an environment declares, looked up by name; later ones stand before earlier ones. */
import type { CelType } from '../cel-type.ts';
import * as cel from '../cel-type.ts';
import type { DeclaredType } from '../declared-type.ts';
import type { TypeSource } from '../environment.ts';
import { isReserved } from '../escaping.ts';
import type { FunctionDeclaration } from '../library.ts';

/** A name that is a variable, or a type. */
export interface DeclaredName {
  readonly name: string;
  readonly type: CelType;
  /** Of a variable of the environment. */
  readonly variable?: DeclaredType;
  /** The type that the name is. */
  readonly typeNamed?: CelType;
}

/** Types that every environment knows by name. */
const BASIC_TYPES: readonly CelType[] = [
  cel.BOOL,
  cel.BYTES,
  cel.DOUBLE,
  cel.DURATION,
  cel.INT,
  cel.NULL,
  cel.STRING,
  cel.TIMESTAMP,
  cel.UINT,
  cel.listOf(cel.DYN),
  cel.mapOf(cel.DYN, cel.DYN),
  cel.typeOf(),
];

export interface DeclarationParts {
  readonly variables: ReadonlyMap<string, DeclaredType>;
  readonly functions: ReadonlyMap<string, FunctionDeclaration>;
  readonly types: readonly CelType[];
  readonly sources: readonly TypeSource[];
  readonly container: string;
}

export class Declarations {
  readonly container: string;
  readonly #parts: DeclarationParts;
  readonly #types = new Map<string, CelType>();
  /** Object types within the types of variables, by name; found as their fields are asked for. */
  readonly #objects = new Map<string, DeclaredType>();

  constructor(parts: DeclarationParts) {
    this.#parts = parts;
    this.container = parts.container;
    for (const type of [...BASIC_TYPES, ...parts.types]) this.#types.set(type.name, type);
    for (const variable of parts.variables.values()) this.#learn(variable);
  }

  get variables(): ReadonlyMap<string, DeclaredType> {
    return this.#parts.variables;
  }

  /** `a.b.x`, `a.x`, `x` for x in the container a.b; `.x` is x alone. */
  candidates(name: string): string[] {
    if (name.startsWith('.')) return [name.slice(1)];
    const found: string[] = [];
    for (let prefix = this.container; prefix !== ''; prefix = prefix.slice(0, Math.max(0, prefix.lastIndexOf('.'))))
      found.push(`${prefix}.${name}`);
    return [...found, name];
  }

  nameOf(name: string): DeclaredName | undefined {
    for (const candidate of this.candidates(name)) {
      const variable = this.#parts.variables.get(candidate);
      if (variable) return { name: candidate, type: variable.type, variable };
      const type = this.#types.get(candidate) ?? this.objectType(candidate)?.type;
      if (type) return { name: candidate, type: cel.typeOf(type), typeNamed: type };
    }
    return undefined;
  }

  functionOf(name: string): FunctionDeclaration | undefined {
    for (const candidate of this.candidates(name)) {
      const found = this.#parts.functions.get(candidate);
      if (found) return found;
    }
    return undefined;
  }

  objectType(name: string): DeclaredType | undefined {
    const known = this.#objects.get(name);
    if (known) return known;
    for (const source of this.#parts.sources) {
      const found = source(name);
      if (found) return found;
    }
    return undefined;
  }

  /** undefined when the type has no such field. A field whose name is a reserved word may be written without escape. */
  fieldOf(typeName: string, field: string): DeclaredType | undefined {
    const { fields } = this.objectType(typeName) ?? {};
    const found = (fields?.get(field) ?? (isReserved(field) ? fields?.get(`__${field}__`) : undefined))?.type;
    if (found) this.#learn(found);
    return found;
  }

  /** Object types are known once something of their type can be reached. */
  #learn(declared: DeclaredType): void {
    if (declared.type.kind === 'object' && !this.#objects.has(declared.type.name))
      this.#objects.set(declared.type.name, declared);
    if (declared.element) this.#learn(declared.element);
    if (declared.key) this.#learn(declared.key);
  }
}
