/**
 * What type parameters stand for while an expression is checked, and whether one type can be given where another is
 * wanted. Source: CEL language definition, "Type Checking"; the exceptions for null are cel-go's.
 */
import { type CelType, isSameType, paramNamed } from '../cel-type.ts';

export class Substitution {
  readonly #bound = new Map<string, CelType>();
  /** What was bound before, newest last: an attempt that fails is taken back. */
  readonly #undo: [string, CelType | undefined][] = [];
  #fresh = 0;

  /** A parameter that nothing is known of. */
  freshParam(): CelType {
    return paramNamed(`_var${this.#fresh++}`);
  }

  /** Whether `from` fits `to`; binds parameters when it does. */
  isAssignable(to: CelType, from: CelType): boolean {
    return this.areAssignable([to], [from]);
  }

  areAssignable(to: readonly CelType[], from: readonly CelType[]): boolean {
    const mark = this.#undo.length;
    if (this.#fitAll(to, from)) return true;
    while (this.#undo.length > mark) {
      const [name, before] = this.#undo.pop()!;
      if (before) this.#bound.set(name, before);
      else this.#bound.delete(name);
    }
    return false;
  }

  /** With parameters replaced by what they stand for; `whenUnbound` for those that stand for nothing yet. */
  apply(type: CelType, whenUnbound?: CelType): CelType {
    if (type.kind === 'param') {
      const bound = this.#bound.get(type.name);
      return bound ? this.apply(bound, whenUnbound) : (whenUnbound ?? type);
    }
    if (type.params.length === 0) return type;
    return { ...type, params: type.params.map((param) => this.apply(param, whenUnbound)) };
  }

  #fitAll(to: readonly CelType[], from: readonly CelType[]): boolean {
    return to.length === from.length && to.every((type, i) => this.#fit(type, from[i]!));
  }

  #fit(a: CelType, b: CelType): boolean {
    if (b.kind === 'param') {
      const { isValid, isBound } = this.#bind(a, b);
      if (isValid) return true;
      if (isBound) return false;
    }
    if (a.kind === 'param') return this.#bind(b, a).isValid;
    if (isDynOrError(a) || isDynOrError(b)) return true;
    if (a.kind === 'null') return isNullable(b);
    if (b.kind === 'null') return isNullable(a);
    if (a.kind !== b.kind) return false;
    if (a.kind === 'type') return true;
    return a.name === b.name && this.#fitAll(a.params, b.params);
  }

  /** Whether `type` can stand for the parameter. */
  #bind(type: CelType, param: CelType): { isValid: boolean; isBound: boolean } {
    if (type.kind === 'param' && type.name === param.name) return { isValid: true, isBound: true };
    const bound = this.#bound.get(param.name);
    if (!bound) {
      const isValid = !this.#occurs(param, type);
      if (isValid) this.#set(param.name, type);
      return { isValid, isBound: false };
    }
    if (isSameType(type, bound)) return { isValid: true, isBound: true };
    if (!this.#fit(type, bound)) return { isValid: false, isBound: true };
    const general = moreGeneral(type, bound);
    if (!this.#occurs(param, general)) this.#set(param.name, general);
    return { isValid: true, isBound: true };
  }

  #set(name: string, type: CelType): void {
    this.#undo.push([name, this.#bound.get(name)]);
    this.#bound.set(name, type);
  }

  #occurs(param: CelType, within: CelType): boolean {
    if (within.kind !== 'param') return within.params.some((part) => this.#occurs(param, part));
    if (within.name === param.name) return true;
    const bound = this.#bound.get(within.name);
    return bound !== undefined && this.#occurs(param, bound);
  }
}

export const isDyn = ({ kind }: CelType): boolean => kind === 'dyn';
export const isDynOrError = ({ kind }: CelType): boolean => kind === 'dyn' || kind === 'error';

const isNullable = ({ kind }: CelType): boolean =>
  kind === 'null' || kind === 'opaque' || kind === 'object' || kind === 'duration' || kind === 'timestamp';

/** Of two types that fit one another. */
export const moreGeneral = (a: CelType, b: CelType): CelType => (isAsGeneral(a, b) ? a : b);

function isAsGeneral(a: CelType, b: CelType): boolean {
  if (a.kind === 'dyn' || a.kind === 'param') return true;
  if (b.kind === 'dyn' || b.kind === 'param') return false;
  if (a.kind !== b.kind) return false;
  if (a.kind === 'type') return true;
  return (
    a.name === b.name && a.params.length === b.params.length && a.params.every((p, i) => isAsGeneral(p, b.params[i]!))
  );
}
