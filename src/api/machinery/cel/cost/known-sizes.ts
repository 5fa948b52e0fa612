/** What the estimate knows of the sizes of parts of an expression, and which parts of variables they are. */
import type { CelType } from '../cel-type.ts';
import type { DeclaredType } from '../declared-type.ts';
import { lengthOf } from '../operations/text.ts';
import { ACCUMULATOR, type Expr } from '../syntax/ast.ts';
import { type EstimatedNode, fixed, type Range, UNKNOWN } from './estimate-call.ts';

/** From a variable down to a part of it: field names, `@items`, `@keys`, `@values`, `@indices`. */
type Path = readonly string[];

/** Of the parts of a list or map. */
export interface EntrySize {
  container: 'list' | 'map';
  key: Range;
  value: Range;
}

/** Of a variable of a loop or of a binding. */
export interface LocalSize {
  path: Path | undefined;
  size: Range | undefined;
  entry: EntrySize | undefined;
}

/** The variable that upstream takes for the beginning of every path. */
const ROOT = 'self';

export class KnownSizes {
  readonly #types: ReadonlyMap<Expr, CelType>;
  readonly #variables: ReadonlyMap<string, DeclaredType>;
  readonly #paths = new Map<Expr, Path>();
  readonly #sizes = new Map<Expr, Range>();
  readonly #entries = new Map<Expr, EntrySize>();
  readonly #locals = new Map<string, LocalSize[]>();

  constructor(types: ReadonlyMap<Expr, CelType>, variables: ReadonlyMap<string, DeclaredType>) {
    this.#types = types;
    this.#variables = variables;
  }

  nodeOf(expr: Expr): EstimatedNode {
    const type = this.typeOf(expr);
    const node = { expr, type, size: this.orUnknown(expr) };
    if (type.params.length === 0) return node;
    const path = this.#pathOf(expr);
    return { ...node, itemSize: (path && this.#declaredSize([...path, '@items'])) ?? UNKNOWN };
  }

  orUnknown(expr: Expr): Range {
    return this.of(expr) ?? UNKNOWN;
  }

  of(expr: Expr): Range | undefined {
    const known = this.#sizes.get(expr) ?? sizeOfLiteral(expr);
    if (known) return known;
    const path = this.#pathOf(expr);
    const declared = path && this.#declaredSize(path);
    if (declared) {
      this.#sizes.set(expr, declared);
      return declared;
    }
    if (isScalar(this.typeOf(expr))) return fixed(1);
    return expr.kind === 'ident' ? this.local(expr.name)?.size : undefined;
  }

  /**
   * Upstream begins at the type of `self` whatever the path begins with, `string` in `type(x) == string` as well as a loop's
   * item: the estimates depend on it.
   */
  #declaredSize([name, ...rest]: Path): Range | undefined {
    if (name === undefined) return undefined;
    let declared = this.#variables.get(ROOT) ?? this.#variables.get(name);
    for (const part of rest) {
      if (part === '@items' || part === '@values') declared = declared?.element;
      else if (part === '@keys') declared = declared?.key;
      else declared = declared?.fields?.get(part)?.type ?? (declared?.element?.isAny ? declared.element : undefined);
    }
    const isUnknown = declared?.type.kind === 'dyn' && !declared.isAny && !this.#variables.has(ROOT);
    if (!declared || isUnknown) return undefined;
    return { min: 0, max: declared.maxElements < 0 ? Number.POSITIVE_INFINITY : declared.maxElements };
  }

  set(expr: Expr, size: Range | undefined): void {
    if (size) this.#sizes.set(expr, size);
  }

  setEntry(expr: Expr, entry: EntrySize | undefined): void {
    if (entry) this.#entries.set(expr, entry);
  }

  copy(to: Expr, from: Expr): void {
    this.set(to, this.of(from));
    this.setEntry(to, this.entryOf(from));
  }

  entryOf(expr: Expr): EntrySize | undefined {
    return this.#entries.get(expr) ?? (expr.kind === 'ident' ? this.local(expr.name)?.entry : undefined);
  }

  typeOf(expr: Expr): CelType {
    return this.#types.get(expr)!;
  }

  setPath(expr: Expr, path: Path | undefined): void {
    if (path) this.#paths.set(expr, path);
  }

  /** undefined for what is not a part of a variable. */
  #pathOf(expr: Expr): Path | undefined {
    const local = expr.kind === 'ident' ? this.local(expr.name) : undefined;
    const path = local ? local.path : this.#paths.get(expr);
    return path?.[0] === ACCUMULATOR ? undefined : path;
  }

  below(expr: Expr, part: string): Path {
    return [...(this.#pathOf(expr) ?? []), part];
  }

  local(name: string): LocalSize | undefined {
    return this.#locals.get(name)?.at(-1);
  }

  localOf(init: Expr): LocalSize {
    return { path: this.#pathOf(init), size: this.of(init), entry: this.entryOf(init) };
  }

  with(name: string, local: LocalSize, body: () => void): void {
    const stack = this.#locals.get(name) ?? [];
    this.#locals.set(name, stack);
    stack.push(local);
    body();
    stack.pop();
  }
}

const SCALARS: ReadonlySet<string> = new Set(['bool', 'double', 'duration', 'int', 'timestamp', 'uint']);

const isScalar = ({ kind, name, params }: CelType): boolean =>
  SCALARS.has(kind) || (kind === 'opaque' && name === 'optional_type' && isScalar(params[0]!));

function sizeOfLiteral(expr: Expr): Range | undefined {
  if (expr.kind === 'list') return fixed(expr.items.length);
  if (expr.kind === 'map') return fixed(expr.entries.length);
  if (expr.kind !== 'literal') return undefined;
  if (typeof expr.value === 'string') return fixed(lengthOf(expr.value));
  return fixed(expr.value instanceof Uint8Array ? expr.value.length : 1);
}
