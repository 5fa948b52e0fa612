/** Makes programs of the CEL expressions of an AuthenticationConfiguration: about the `claims` of a token, or the `user`. */
import { BOOL, isSameType } from '#api/machinery/cel/cel-type.ts';
import { dynType, field, listType, mapType, objectType, stringType } from '#api/machinery/cel/declared-type.ts';
import { type Environment, environment } from '#api/machinery/cel/environment.ts';
import { compilationProblem } from '#api/machinery/cel/issue.ts';
import type { Program } from '#api/machinery/cel/program.ts';
import type { ExpressionUse } from '../authentication-configuration.ts';

const strings = listType(stringType);

const userType = objectType('kubernetes.UserInfo', {
  username: field(stringType),
  uid: field(stringType),
  groups: field(strings),
  extra: field(mapType(stringType, strings)),
});

let environments: { claims: Environment; user: Environment } | undefined;

function environmentOf(about: 'claims' | 'user'): Environment {
  environments ??= {
    claims: environment({ variables: { claims: mapType(stringType, dynType) } }),
    user: environment({ variables: { user: userType } }),
  };
  return environments[about];
}

/** What is wrong with it in upstream's words, and which claims it looks at by name. */
export function examineExpression(
  source: string,
  use: ExpressionUse,
): { problem?: string; claims: ReadonlySet<string> } {
  const { program, issues } = environmentOf(use === 'userValidation' ? 'user' : 'claims').compile(source);
  const claims = claimsNamedIn(source);
  if (issues) return { problem: compilationProblem(issues), claims };
  const isRule = use === 'claimValidation' || use === 'userValidation';
  if (isRule && !isSameType(program.outputType, BOOL)) return { problem: 'must evaluate to bool', claims };
  return { claims };
}

/** Of an expression that was found good. */
export function compileExpression(source: string, about: 'claims' | 'user'): Program {
  const { program, issues } = environmentOf(about).compile(source);
  if (program) return program;
  throw new Error(compilationProblem(issues));
}

const STRING_OR_COMMENT = /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\/\/.*/g;

function claimsNamedIn(source: string): ReadonlySet<string> {
  const code = source.replace(STRING_OR_COMMENT, '""');
  return new Set([...code.matchAll(/\bclaims\s*\.\s*\??\s*([A-Za-z_]\w*)/g)].map(([, name = '']) => name));
}
