/**
 * Makes closures of a checked expression: what is known before anything runs is decided here once. What each step costs is
 * cel-go's, down to its quirks (a name at the start of a branch of `?:`, or within `[]`, is free), so that an expression that
 * runs there within its limit runs here, and the other way round.
 */
import type { Checked, Reference } from '../check/checker.ts';
import type { Declarations } from '../check/declarations.ts';
import type { DeclaredType } from '../declared-type.ts';
import { type Call, type Expr, OPERATORS } from '../syntax/ast.ts';
import type { ParseError } from '../syntax/parser.ts';
import { CelError, type Result, TypeValue, type Value } from '../value.ts';
import { COSTS, type Frame, type Step, spend } from './frame.ts';
import { planCall } from './plan-call.ts';
import { planList, planMap, planStruct } from './plan-literal.ts';
import { planLoop } from './plan-loop.ts';
import { planPath } from './plan-path.ts';

export interface Planned {
  readonly run: Step;
  /** When the value is known already; its step is then free. */
  readonly constant?: Value;
}

export const constantly = (value: Value): Planned => ({ run: () => value, constant: value });

/** A variable of a loop: where its value is, and how to make it if that is put off until it is asked for. */
export interface Local {
  readonly name: string;
  readonly slot: number;
  readonly init?: Step;
  /** A list or map that grows as the loop turns, and that nobody else can see until then. */
  readonly isGrowing?: boolean;
}

export interface Global {
  readonly slot: number;
  readonly name: string;
  readonly declared: DeclaredType;
}

export class Planner {
  readonly #checked: Checked;
  readonly #declarations: Declarations;
  readonly #globals = new Map<string, Global>();
  readonly #locals: Local[] = [];
  #localCount = 0;
  readonly problems: ParseError[] = [];

  constructor(checked: Checked, declarations: Declarations) {
    this.#checked = checked;
    this.#declarations = declarations;
  }

  get globalCount(): number {
    return this.#globals.size;
  }
  get localCount(): number {
    return this.#localCount;
  }
  get globalNames(): readonly string[] {
    return [...this.#globals.keys()];
  }

  objectType(name: string): DeclaredType | undefined {
    return this.#declarations.objectType(name);
  }

  referenceOf(expr: Expr): Reference | undefined {
    return this.#checked.references.get(expr);
  }

  plan(expr: Expr): Planned {
    switch (expr.kind) {
      case 'literal':
        return constantly(expr.value);
      case 'ident':
      case 'select':
        return this.#planNamed(expr);
      case 'call':
        return isPath(expr) ? { run: planPath(this, expr, true) } : planCall(this, expr);
      case 'list':
        return planList(this, expr);
      case 'map':
        return planMap(this, expr);
      case 'struct':
        return planStruct(this, expr);
      case 'comprehension':
        return { run: planLoop(this, expr) };
    }
  }

  #planNamed(expr: Expr): Planned {
    const reference = this.referenceOf(expr);
    if (reference?.kind === 'type') return constantly(new TypeValue(reference.type));
    return { run: planPath(this, expr, true) };
  }

  /** The step of a name; free when it stands where cel-go does not count it. */
  planName(expr: Expr, isCounted: boolean): Step {
    const reference = this.referenceOf(expr);
    const read = reference?.kind === 'local' ? readLocal(this.local(reference.name)) : this.#readGlobal(reference);
    if (!isCounted) return read;
    return (frame) => {
      spend(frame, COSTS.name);
      return read(frame);
    };
  }

  /** Like `plan`, for a branch or an index: the name that it begins with is free. */
  planFree(expr: Expr): Step {
    const reference = this.referenceOf(expr);
    const isNamed = expr.kind === 'ident' || expr.kind === 'select';
    if (isNamed ? reference?.kind !== 'type' : expr.kind === 'call' && isPath(expr)) return planPath(this, expr, false);
    return this.plan(expr).run;
  }

  #readGlobal(reference: Reference | undefined): Step {
    const name = reference?.kind === 'variable' ? reference.name : '';
    const { slot, declared } = this.#global(name);
    const missing = new CelError(`no such attribute(s): ${name}`);
    const load = (frame: Frame): Result => {
      const json = Object.hasOwn(frame.activation, name) ? frame.activation[name] : undefined;
      const isMissing = json === undefined && declared.type.name !== 'optional_type';
      const value = isMissing ? missing : declared.adapt(json);
      frame.globals[slot] = value;
      return value;
    };
    return (frame) => {
      const known = frame.globals[slot];
      return known === undefined ? load(frame) : known;
    };
  }

  #global(name: string): Global {
    const known = this.#globals.get(name);
    if (known) return known;
    const made: Global = { slot: this.#globals.size, name, declared: this.#declarations.variables.get(name)! };
    this.#globals.set(name, made);
    return made;
  }

  local(name: string): Local {
    return this.#locals.findLast((local) => local.name === name)!;
  }

  /** While `body` is planned, the name is this variable. */
  withLocal<T>(name: string, options: Pick<Local, 'init' | 'isGrowing'>, body: (local: Local) => T): T {
    const local: Local = { name, slot: this.#localCount++, ...options };
    this.#locals.push(local);
    const planned = body(local);
    this.#locals.pop();
    return planned;
  }
}

function readLocal({ slot, init }: Local): Step {
  if (!init) return (frame) => frame.locals[slot]!;
  return (frame) => {
    const known = frame.locals[slot];
    if (known !== undefined) return known;
    const value = init(frame);
    frame.locals[slot] = value;
    return value;
  };
}

const PATH_OPERATORS: ReadonlySet<string> = new Set([
  OPERATORS.index,
  OPERATORS.optionalIndex,
  OPERATORS.optionalSelect,
  OPERATORS.conditional,
]);

/** Whether cel-go takes the call for a way to a value rather than for a call. */
export const isPath = (call: Call): boolean => PATH_OPERATORS.has(call.name);
