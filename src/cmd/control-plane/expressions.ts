/** The CEL of configuration files: what is wrong with an expression, and programs of those that are good. */
import type { Program } from '#api/machinery/cel/program.ts';
import type { ExpressionUse } from '#control-plane/apiserver/authentication/authentication-configuration.ts';
import {
  compileExpression,
  examineExpression,
} from '#control-plane/apiserver/authentication/jwt/compile-expression.ts';
import { compileMatchCondition } from '#control-plane/apiserver/authorization/compile-match-condition.ts';

export interface Expressions {
  examine(expression: string, use: ExpressionUse): { problem?: string; claims: ReadonlySet<string> };
  /** Of an expression that was found good. */
  claims(expression: string, about: 'claims' | 'user'): Program;
  matchConditionProblem(expression: string): string | undefined;
  matchCondition(expression: string): Program;
}

export const expressions: Expressions = {
  examine: examineExpression,
  claims: compileExpression,
  matchConditionProblem(expression) {
    const compiled = compileMatchCondition(expression);
    return 'problem' in compiled ? compiled.problem : undefined;
  },
  matchCondition(expression) {
    const compiled = compileMatchCondition(expression);
    if ('problem' in compiled) throw new Error(compiled.problem);
    return compiled;
  },
};
