/** The expressions of one issuer's configuration, compiled. */
import type { Program } from '#api/machinery/cel/program.ts';
import type { JwtAuthenticatorConfiguration } from '../authentication-configuration.ts';

export interface Rule {
  program: Program;
  message: string;
}

export interface ClaimPrograms {
  username?: Program;
  groups?: Program;
  uid?: Program;
  extra: readonly { key: string; program: Program }[];
  claimRules: readonly Rule[];
  userRules: readonly Rule[];
}

/** Makes a program of an expression about `claims` or about `user`. Throws for one that was not found good before. */
export type CompileExpression = (expression: string, about: 'claims' | 'user') => Program;

export function claimProgramsOf(
  { claimMappings, claimValidationRules = [], userValidationRules = [] }: JwtAuthenticatorConfiguration,
  compile: CompileExpression,
): ClaimPrograms {
  const { username, groups, uid, extra = [] } = claimMappings;
  const rule = (
    about: 'claims' | 'user',
    { expression = '', message = '' }: { expression?: string; message?: string },
  ) => (expression ? [{ program: compile(expression, about), message }] : []);
  return {
    ...(username.expression && { username: compile(username.expression, 'claims') }),
    ...(groups?.expression && { groups: compile(groups.expression, 'claims') }),
    ...(uid?.expression && { uid: compile(uid.expression, 'claims') }),
    extra: extra.map(({ key = '', valueExpression = '' }) => ({ key, program: compile(valueExpression, 'claims') })),
    claimRules: claimValidationRules.flatMap((one) => rule('claims', one)),
    userRules: userValidationRules.flatMap((one) => rule('user', one)),
  };
}
