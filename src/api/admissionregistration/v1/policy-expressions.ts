/**
 * Compiles the expressions of one policy, which may use its variables: each sees those that stand before it. Source:
 * Kubernetes documentation, "Validating Admission Policy", variable composition; texts as upstream.
 */
import { BOOL, type CelType, isSameType, listOf, longTypeName, NULL, STRING } from '#api/machinery/cel/cel-type.ts';
import { type DeclaredType, declaredTypeOf, dynType, field, objectType } from '#api/machinery/cel/declared-type.ts';
import type { Environment } from '#api/machinery/cel/environment.ts';
import { compilationProblem, formatIssues } from '#api/machinery/cel/issue.ts';
import { JSON_PATCH, OBJECT_TYPE } from '#api/machinery/cel/patch-types.ts';
import type { Program } from '#api/machinery/cel/program.ts';
import { type Declarations, policyEnvironment } from './policy-environment.ts';

export type CompiledExpression =
  | { program: Program; problem?: undefined; issues?: undefined }
  | {
      program?: undefined;
      /** Why there is no program, as validation tells it. */
      problem: string;
      /** What the compiler said, where it was that. */
      issues?: string;
    };

/** What expressions in these places must evaluate to. */
export const RESULTS = {
  condition: [BOOL],
  message: [STRING],
  annotation: [STRING, NULL],
  apply: [OBJECT_TYPE.type],
  jsonPatch: [listOf(JSON_PATCH.type)],
} as const satisfies Record<string, readonly CelType[]>;

/** `results` undefined: any. */
export function compileIn(env: Environment, source: string, results?: readonly CelType[]): CompiledExpression {
  const { program, issues } = env.compile(source);
  if (issues) return { problem: compilationProblem(issues), issues: formatIssues(issues) };
  if (!results || results.some((type) => isSameType(type, program.outputType))) return { program };
  const names = results.map(longTypeName);
  const expected = names.length === 1 ? names[0] : `one of [${names.join(' ')}]`;
  return { problem: `must evaluate to ${expected} but got ${longTypeName(program.outputType)}` };
}

export class PolicyExpressions {
  readonly #environment: (declarations: Omit<Declarations, 'hasParams'>) => Environment;
  readonly #variables = new Map<string, CompiledExpression>();
  #type: DeclaredType | undefined;

  /** `composes`: without it `variables` is not there. */
  constructor({ composes, ...options }: { composes: boolean } & ({ hasParams: boolean } | { env: Environment })) {
    this.#environment = (declarations) =>
      'env' in options ? options.env : policyEnvironment({ ...declarations, hasParams: options.hasParams });
    if (composes) this.#type = variablesType(this.#variables);
  }

  /** By name, in the order in which they were added. */
  get variables(): ReadonlyMap<string, CompiledExpression> {
    return this.#variables;
  }

  addVariable(name: string, source: string): CompiledExpression {
    const compiled = this.compile(source, undefined);
    this.#variables.set(name, compiled);
    this.#type = variablesType(this.#variables);
    return compiled;
  }

  compile(
    source: string,
    results: readonly CelType[] | undefined,
    { hasAuthorizer = true, hasPatchTypes = false } = {},
  ): CompiledExpression {
    const env = this.#environment({ hasAuthorizer, hasPatchTypes });
    const type = this.#type;
    return compileIn(type ? env.extend({ variables: { variables: type } }) : env, source, results);
  }
}

const variablesType = (variables: ReadonlyMap<string, CompiledExpression>): DeclaredType =>
  objectType(
    'kubernetes.variables',
    Object.fromEntries(
      [...variables].map(([name, { program }]) => [
        name,
        field(program ? declaredTypeOf(program.outputType) : dynType, true),
      ]),
    ),
  );
