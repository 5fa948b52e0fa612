/** The CEL of configuration files: what is wrong with an expression, and programs of those that are good. */
import type { Program } from '#api/machinery/cel/program.ts';
import type { ExpressionUse } from '#control-plane/apiserver/authentication/authentication-configuration.ts';

export interface Expressions {
  examine(expression: string, use: ExpressionUse): { problem?: string; claims: ReadonlySet<string> };
  /** Of an expression that was found good. */
  claims(expression: string, about: 'claims' | 'user'): Program;
  matchConditionProblem(expression: string): string | undefined;
  matchCondition(expression: string): Program;
}

const PROBLEM = 'expressions are not supported yet';
const unsupported = (): never => {
  throw new Error(PROBLEM);
};

export const expressions: Expressions = {
  examine: () => ({ problem: PROBLEM, claims: new Set() }),
  claims: unsupported,
  matchConditionProblem: () => PROBLEM,
  matchCondition: unsupported,
};
