/**
 * CEL as Kubernetes v1.36 has it. An environment says which variables, types and functions there are, and compiles
 * expressions to programs.
 *
 *     const env = environment({ variables: { self: schemaType(schema)!, oldSelf: schemaType(schema)! } });
 *     const { program, issues } = env.compile('self.replicas <= self.maxReplicas');
 *     if (issues) return compilationProblem(issues);
 *     if (!isSameType(program.outputType, BOOL)) …
 *     const outcome = program.evaluate({ self: object });
 *     if (outcome.error !== undefined) … else if (outcome.value === true) …
 *
 * What a caller meets as a value: bool, string and null are JavaScript's, an int is a number (a bigint beyond 2^53), others
 * are classes of `value.ts`; `toJson` makes JSON of any. What he gives is plain JSON, as the variable's type says.
 *
 * What else there is: `schema-type.ts` and `facts-type.ts` (types of objects), `declared-type.ts` (types by hand),
 * `authorizer.ts` (the variable `authorizer`, and how its decisions are awaited), `lazy-variables.ts` (the variable
 * `variables`), `patch-types.ts` (Object and JSONPatch), `limits.ts`, `issue.ts`.
 *
 * Keep environments and programs: making one takes about as long as a hundred evaluations.
 */
import type { CelType } from './cel-type.ts';
import { check } from './check/checker.ts';
import { Declarations } from './check/declarations.ts';
import { literalErrors } from './check/literal-rules.ts';
import { CompiledProgram } from './compiled-program.ts';
import type { DeclaredType } from './declared-type.ts';
import { type Issue, issuesOf } from './issue.ts';
import { kubernetesLibraries } from './libraries/kubernetes-libraries.ts';
import { type FunctionDeclaration, functionsOf, type Library } from './library.ts';
import type { Program } from './program.ts';
import { standardLibrary } from './standard/standard-library.ts';
import type { Macro } from './syntax/macro.ts';
import { parse } from './syntax/parser.ts';

export interface EnvironmentOptions {
  /** By name; it may be qualified, such as `authorizer.requestResource`. */
  variables?: Readonly<Record<string, DeclaredType>>;
  /** Types that an expression may name beside those within the variables' types, e.g. `patchTypes`. */
  types?: readonly TypeSource[];
  /** What is there beside the language itself: `kubernetesLibraries` unless told; `extend` adds. */
  libraries?: readonly Library[];
  /** The namespace in which names are looked up first; empty unless told. */
  container?: string;
  /** What Kubernetes does not allow, and the language does. */
  syntax?: {
    /** Names in backquotes: `` a.`b-c` ``. */
    quotedNames?: boolean;
    /** Lists of values of different types, and literals that cannot be what they are used as: said when it runs. */
    uncheckedLiterals?: boolean;
  };
}

/** Finds a type by the name that an expression gives it, e.g. `Object.spec`. */
export type TypeSource = (name: string) => DeclaredType | undefined;

export type Compilation =
  | { readonly program: Program; readonly issues?: undefined }
  | { readonly program?: undefined; readonly issues: readonly Issue[] };

export interface Environment {
  /** All that is wrong, in the order of the source: the syntax, else the types, else literals that cannot be right. */
  compile(source: string): Compilation;
  /** The same with further variables, types and libraries; a variable of the same name is replaced. */
  extend(options: EnvironmentOptions): Environment;
}

export function environment(options: EnvironmentOptions = {}): Environment {
  return new BuiltEnvironment({ libraries: kubernetesLibraries, ...options });
}

class BuiltEnvironment implements Environment {
  readonly #options: EnvironmentOptions;
  readonly #declarations: Declarations;
  readonly #macros: readonly Macro[];

  constructor(options: EnvironmentOptions) {
    const { macros, functions, types } = collected(options.libraries ?? NO_LIBRARIES);
    this.#options = options;
    this.#macros = macros;
    this.#declarations = new Declarations({
      variables: new Map(Object.entries(options.variables ?? {})),
      functions,
      types,
      sources: options.types ?? [],
      container: options.container ?? '',
    });
  }

  compile(source: string): Compilation {
    const { quotedNames = false, uncheckedLiterals = false } = this.#options.syntax ?? {};
    const { expr, errors } = parse(source, { macros: this.#macros, quotedNames });
    if (errors) return { issues: issuesOf(errors, source) };
    const checked = check(expr, this.#declarations);
    if (checked.errors.length > 0) return { issues: issuesOf(checked.errors, source) };
    const program = new CompiledProgram(source, checked, this.#declarations);
    if (uncheckedLiterals) return { program };
    const wrong = literalErrors(checked);
    if (wrong.length > 0) return { issues: issuesOf(wrong, source) };
    if (program.problems.length === 0) return { program };
    return { issues: issuesOf(program.problems, source).map((issue) => ({ ...issue, isOfProgram: true })) };
  }

  extend(options: EnvironmentOptions): Environment {
    const own = this.#options;
    return new BuiltEnvironment({
      variables: { ...own.variables, ...options.variables },
      types: [...(own.types ?? []), ...(options.types ?? [])],
      libraries: options.libraries ? [...new Set([...(own.libraries ?? []), ...options.libraries])] : own.libraries,
      container: options.container ?? own.container,
      syntax: { ...own.syntax, ...options.syntax },
    });
  }
}

interface Collected {
  readonly macros: readonly Macro[];
  readonly functions: ReadonlyMap<string, FunctionDeclaration>;
  readonly types: readonly CelType[];
}

const NO_LIBRARIES: readonly Library[] = [];
/** Most environments differ in their variables only. */
const known = new WeakMap<readonly Library[], Collected>();

function collected(libraries: readonly Library[]): Collected {
  const before = known.get(libraries);
  if (before) return before;
  const all = [standardLibrary, ...libraries];
  const made: Collected = {
    macros: all.flatMap(({ macros = [] }) => macros),
    functions: functionsOf(all),
    types: all.flatMap(({ types = [] }) => types),
  };
  known.set(libraries, made);
  return made;
}
