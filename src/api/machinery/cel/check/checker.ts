/**
 * Finds the type of every part of an expression, and which variable or function every name means. Source: CEL language
 * definition, "Type Checking"; messages are cel-go's.
 */

import * as cel from '../cel-type.ts';
import { type CelType, formatType, isOptionalType, isSameType } from '../cel-type.ts';
import type { FunctionDeclaration, Overload } from '../library.ts';
import {
  type Call,
  type Comprehension,
  type Expr,
  type ListExpr,
  type MapExpr,
  OPERATORS,
  qualifiedName,
  type Select,
  type StructExpr,
} from '../syntax/ast.ts';
import type { ParseError } from '../syntax/parser.ts';
import { typeOfValue } from '../value.ts';
import type { Declarations, DeclaredName } from './declarations.ts';
import { isDyn, isDynOrError, moreGeneral, Substitution } from './substitution.ts';

/** What a name or a call in the expression means. */
export type Reference =
  | { readonly kind: 'variable'; readonly name: string }
  /** The variable of a loop around, the innermost of that name. */
  | { readonly kind: 'local'; readonly name: string }
  | { readonly kind: 'type'; readonly type: CelType }
  | {
      readonly kind: 'function';
      readonly declaration: FunctionDeclaration;
      /** Those that fit: one, or several where an argument is dyn. */
      readonly overloads: readonly Overload[];
      /** `a.b.f(x)` is the function a.b.f, and not a call on a.b. */
      readonly isNamespaced: boolean;
    };

export interface Checked {
  readonly expr: Expr;
  readonly type: CelType;
  readonly types: ReadonlyMap<Expr, CelType>;
  readonly references: ReadonlyMap<Expr, Reference>;
  readonly errors: readonly ParseError[];
}

export const check = (expr: Expr, declarations: Declarations): Checked => new Checker(declarations).run(expr);

interface Scope {
  readonly names: ReadonlyMap<string, CelType>;
  readonly outer: Scope | undefined;
}

class Checker {
  readonly #declarations: Declarations;
  readonly #types = new Map<Expr, CelType>();
  readonly #references = new Map<Expr, Reference>();
  readonly #errors: ParseError[] = [];
  readonly #bindings = new Substitution();
  #scope: Scope | undefined;

  constructor(declarations: Declarations) {
    this.#declarations = declarations;
  }

  run(expr: Expr): Checked {
    this.#check(expr);
    for (const [part, type] of this.#types) this.#types.set(part, this.#bindings.apply(type, cel.DYN));
    return {
      expr,
      type: this.#types.get(expr)!,
      types: this.#types,
      references: this.#references,
      errors: this.#errors,
    };
  }

  #report(at: number, message: string): void {
    this.#errors.push({ at, message });
  }

  #mismatch(at: number, expected: CelType, found: CelType): void {
    this.#report(at, `expected type '${formatType(expected)}' but found '${formatType(found)}'`);
  }

  #check(expr: Expr): CelType {
    const type = this.#typeOf(expr);
    this.#types.set(expr, type);
    return type;
  }

  #typeOf(expr: Expr): CelType {
    switch (expr.kind) {
      case 'literal':
        return typeOfValue(expr.value);
      case 'ident':
        return this.#named(expr, expr.name) ?? this.#undeclared(expr.at, expr.name);
      case 'select':
        return this.#select(expr);
      case 'call':
        return this.#call(expr);
      case 'list':
        return this.#list(expr);
      case 'map':
        return this.#map(expr);
      case 'struct':
        return this.#struct(expr);
      case 'comprehension':
        return this.#comprehension(expr);
    }
  }

  #undeclared(at: number, name: string): CelType {
    this.#report(at, `undeclared reference to '${name}' (in container '${this.#declarations.container}')`);
    return cel.ERROR;
  }

  /** undefined when nothing has that name. */
  #named(expr: Expr, name: string): CelType | undefined {
    const local = name.replace(/^\./, '');
    for (let scope = this.#scope; scope; scope = scope.outer) {
      const type = scope.names.get(local);
      if (!type) continue;
      this.#references.set(expr, { kind: 'local', name: local });
      return type;
    }
    const declared = this.#declarations.nameOf(name);
    if (declared) this.#references.set(expr, referenceTo(declared));
    return declared?.type;
  }

  #select(expr: Select): CelType {
    const name = qualifiedName(expr);
    const named = name === undefined ? undefined : this.#named(expr, name);
    if (named) return named;
    const type = this.#fieldType(expr.at, this.#check(expr.operand), expr.field);
    return this.#bindings.apply(expr.isTest ? cel.BOOL : type);
  }

  #fieldType(at: number, operand: CelType, field: string, isOptional = false): CelType {
    const type = this.#bindings.apply(operand);
    const target = isOptionalType(type) ? type.params[0]! : type;
    const found = this.#fieldOf(at, target, field);
    return isOptional || target !== type ? cel.optionalOf(found) : found;
  }

  #fieldOf(at: number, target: CelType, field: string): CelType {
    switch (target.kind) {
      case 'map':
        return target.params[1]!;
      case 'object':
        return this.#objectField(at, target.name, field);
      case 'param':
        this.#bindings.isAssignable(cel.DYN, target);
        return cel.DYN;
      default:
        if (!isDynOrError(target)) this.#report(at, `type '${formatType(target)}' does not support field selection`);
        return cel.DYN;
    }
  }

  #objectField(at: number, typeName: string, field: string): CelType {
    const object = this.#declarations.objectType(typeName);
    if (!object) {
      this.#report(at, `unexpected failed resolution of '${typeName}'`);
      return cel.ERROR;
    }
    const found = this.#declarations.fieldOf(typeName, field);
    if (found) return found.type;
    if (object.isOpen) return cel.DYN;
    this.#report(at, `undefined field '${field}'`);
    return cel.ERROR;
  }

  #call(expr: Call): CelType {
    if (expr.name === OPERATORS.optionalSelect) return this.#optionalSelect(expr);
    const args = expr.args.map((arg) => this.#check(arg));
    const { target } = expr;
    if (!target) {
      const declaration = this.#declarations.functionOf(expr.name);
      return declaration ? this.#resolve(expr, { declaration, args }) : this.#undeclared(expr.at, expr.name);
    }
    const prefix = qualifiedName(target);
    const namespaced = prefix === undefined ? undefined : this.#declarations.functionOf(`${prefix}.${expr.name}`);
    if (namespaced) return this.#resolve(expr, { declaration: namespaced, args, isNamespaced: true });
    const targetType = this.#check(target);
    const declaration = this.#declarations.functionOf(expr.name);
    if (!declaration) return this.#undeclared(expr.at, expr.name);
    return this.#resolve(expr, { declaration, args: [targetType, ...args], isMember: true });
  }

  #optionalSelect(expr: Call): CelType {
    const [operand, field] = expr.args as [Expr, Expr];
    const name = field.kind === 'literal' ? String(field.value) : '';
    const type = this.#bindings.apply(this.#fieldType(expr.at, this.#check(operand), name, true));
    this.#types.set(field, cel.STRING);
    return type;
  }

  #resolve(expr: Call, use: FunctionUse): CelType {
    const { declaration, args, isMember = false, isNamespaced = false } = use;
    if (declaration.name === OPERATORS.and || declaration.name === OPERATORS.or) return this.#logical(expr, use);
    const overloads: Overload[] = [];
    let result: CelType | undefined;
    for (const overload of declaration.overloads) {
      if ((overload.isMember ?? false) !== isMember) continue;
      const { params, result: declared } = this.#instantiate(overload);
      if (!this.#bindings.areAssignable(args, params)) continue;
      overloads.push(overload);
      const type = this.#bindings.apply(declared);
      if (!result) result = type;
      else if (!isDyn(result) && !isSameType(result, type)) result = cel.DYN;
    }
    if (!result) return this.#noOverload(expr, use);
    this.#references.set(expr, { kind: 'function', declaration, overloads, isNamespaced });
    return result;
  }

  #logical(expr: Call, { declaration, args }: FunctionUse): CelType {
    let type = cel.BOOL;
    args.forEach((arg, i) => {
      if (this.#bindings.isAssignable(arg, cel.BOOL)) return;
      this.#mismatch(expr.args[i]!.at, cel.BOOL, this.#bindings.apply(arg));
      type = cel.ERROR;
    });
    this.#references.set(expr, {
      kind: 'function',
      declaration,
      overloads: declaration.overloads,
      isNamespaced: false,
    });
    return type;
  }

  #noOverload(expr: Call, { declaration, args, isMember }: FunctionUse): CelType {
    const shown = args.map((arg) => formatType(this.#bindings.apply(arg, cel.DYN)));
    const signature = isMember ? `${shown[0]}.(${shown.slice(1).join(', ')})` : `(${shown.join(', ')})`;
    this.#report(expr.at, `found no matching overload for '${declaration.name}' applied to '${signature}'`);
    return cel.ERROR;
  }

  /** With new parameters, so that two calls do not share theirs. */
  #instantiate({ params, result }: Overload): { params: readonly CelType[]; result: CelType } {
    if (![...params, result].some(hasParam)) return { params, result };
    const fresh = new Map<string, CelType>();
    const renew = (type: CelType): CelType => {
      if (type.kind !== 'param') return hasParam(type) ? { ...type, params: type.params.map(renew) } : type;
      const known = fresh.get(type.name) ?? this.#bindings.freshParam();
      fresh.set(type.name, known);
      return known;
    };
    return { params: params.map(renew), result: renew(result) };
  }

  #list({ items }: ListExpr): CelType {
    let element: CelType | undefined;
    for (const { value, isOptional } of items) {
      const type = this.#unwrapped(value, this.#check(value), isOptional);
      element = this.#join(element, type);
    }
    return cel.listOf(element ?? this.#bindings.freshParam());
  }

  #map({ entries }: MapExpr): CelType {
    let key: CelType | undefined;
    let value: CelType | undefined;
    for (const entry of entries) {
      key = this.#join(key, this.#check(entry.key));
      const type = this.#unwrapped(entry.value, this.#check(entry.value), entry.isOptional);
      value = this.#join(value, type);
    }
    return cel.mapOf(key ?? this.#bindings.freshParam(), value ?? this.#bindings.freshParam());
  }

  /** What `?value` adds when it is there. */
  #unwrapped({ at }: Expr, type: CelType, isOptional: boolean): CelType {
    if (!isOptional) return type;
    const known = this.#bindings.apply(type);
    if (isOptionalType(known)) return known.params[0]!;
    if (!isDyn(known)) this.#mismatch(at, cel.optionalOf(known), known);
    return known;
  }

  /** What Kubernetes refuses of it is said by `literal-rules.ts`. */
  #join(previous: CelType | undefined, current: CelType): CelType {
    if (!previous) return current;
    return this.#bindings.isAssignable(previous, current) ? moreGeneral(previous, current) : cel.DYN;
  }

  #struct(expr: StructExpr): CelType {
    const declared = this.#declarations.nameOf(expr.name);
    if (!declared) return this.#undeclared(expr.at, expr.name);
    const type = this.#structType(expr, declared);
    this.#references.set(expr, { kind: 'type', type });
    for (const { at, name, value, isOptional } of expr.fields) {
      const given = this.#unwrapped(value, this.#check(value), isOptional);
      const wanted = type.kind === 'object' ? this.#objectField(at, type.name, name) : cel.ERROR;
      if (this.#bindings.isAssignable(wanted, given)) continue;
      const [field, found] = [formatType(wanted), formatType(given)];
      this.#report(at, `expected type of field '${name}' is '${field}' but provided type is '${found}'`);
    }
    return type;
  }

  #structType({ at }: StructExpr, { type, typeNamed }: DeclaredName): CelType {
    if (!typeNamed) this.#report(at, `'${type.name}' is not a type`);
    else if (typeNamed.kind === 'object') return typeNamed;
    else this.#report(at, `'${typeNamed.name}' is not a message type`);
    return cel.ERROR;
  }

  #comprehension(expr: Comprehension): CelType {
    this.#check(expr.range);
    const accumulated = this.#check(expr.init);
    const range = this.#bindings.apply(this.#types.get(expr.range)!);
    const outer = this.#scope;
    const whole: Scope = { names: new Map([[expr.accumulator, accumulated]]), outer };
    this.#scope = { names: this.#loopVariables(expr, range), outer: whole };
    this.#assert(expr.condition, this.#check(expr.condition), cel.BOOL);
    this.#assert(expr.step, this.#check(expr.step), accumulated);
    this.#scope = whole;
    const result = this.#bindings.apply(this.#check(expr.result));
    this.#scope = outer;
    return result;
  }

  #assert({ at }: Expr, type: CelType, wanted: CelType): void {
    if (!this.#bindings.isAssignable(wanted, type)) this.#mismatch(at, wanted, type);
  }

  #loopVariables({ range: { at }, variable, variable2 }: Comprehension, range: CelType): Map<string, CelType> {
    const [first, second] = this.#partsOf(at, range, variable2 !== undefined);
    return new Map(
      variable2 === undefined
        ? [[variable, first]]
        : [
            [variable, first],
            [variable2, second],
          ],
    );
  }

  /** The types of the loop's variables. */
  #partsOf(at: number, range: CelType, hasTwo: boolean): [CelType, CelType] {
    switch (range.kind) {
      case 'list':
        return hasTwo ? [cel.INT, range.params[0]!] : [range.params[0]!, cel.DYN];
      case 'map':
        return [range.params[0]!, range.params[1]!];
      case 'dyn':
      case 'error':
      case 'param':
        this.#bindings.isAssignable(cel.DYN, range);
        return [cel.DYN, cel.DYN];
      default: {
        const what = `expression of type '${formatType(range)}' cannot be range of a comprehension`;
        this.#report(at, `${what} (must be list, map, or dynamic)`);
        return [cel.ERROR, cel.ERROR];
      }
    }
  }
}

interface FunctionUse {
  declaration: FunctionDeclaration;
  /** The one that it is called on first. */
  args: readonly CelType[];
  isMember?: boolean;
  isNamespaced?: boolean;
}

const referenceTo = ({ name, typeNamed }: DeclaredName): Reference =>
  typeNamed ? { kind: 'type', type: typeNamed } : { kind: 'variable', name };

const hasParam = (type: CelType): boolean => type.kind === 'param' || type.params.some(hasParam);
