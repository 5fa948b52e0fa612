/** Which user the claims of a verified token name, by the configuration of their issuer. Errors have upstream's texts. */
import type { Program } from '#api/machinery/cel/program.ts';
import { toJson } from '#api/machinery/cel/to-json.ts';
import type { UserInfo } from '#client/transport.ts';
import type { ClaimMappings, JwtAuthenticatorConfiguration } from '../authentication-configuration.ts';
import type { ClaimPrograms, Rule } from './claim-programs.ts';

export type Claims = Readonly<Record<string, unknown>>;

const CREDENTIAL_ID = 'authentication.kubernetes.io/credential-id';

/** Throws an Error that says what is missing or refused. */
export function userOfToken(
  claims: Claims,
  configuration: JwtAuthenticatorConfiguration,
  programs: ClaimPrograms,
): UserInfo {
  const { claimMappings } = configuration;
  const uid = uidOf(claims, claimMappings, programs);
  const extra = extraOf(claims, programs);
  const user = {
    name: nameOf(claims, claimMappings, programs),
    groups: groupsOf(claims, claimMappings, programs),
    ...(uid && { uid }),
    ...(Object.keys(extra).length > 0 && { extra }),
  };
  checkRequiredClaims(claims, configuration);
  const [failure] = failuresOf(programs.claimRules, { claims });
  if (failure) throw new Error(`oidc: error evaluating claim validation expression: ${failure}`);
  checkUser(user, programs.userRules);
  return user;
}

const hasClaim = (claims: Claims, name: string): boolean => Object.hasOwn(claims, name);

function textClaim(claims: Claims, name: string, what: string): string {
  if (!hasClaim(claims, name)) throw new Error(`oidc: parse ${what}: claim not present`);
  const value = claims[name];
  if (typeof value !== 'string') throw new Error(`oidc: parse ${what}: the claim is not a string`);
  return value;
}

function nameOf(claims: Claims, { username }: ClaimMappings, { username: program }: ClaimPrograms): string {
  if (program) {
    const name = evaluated(program, { claims }, 'username claim');
    if (typeof name !== 'string')
      throw new Error(
        'oidc: error evaluating username claim expression: username claim expression must return a string',
      );
    if (name === '') throw new Error('oidc: empty username via CEL expression is not allowed');
    return name;
  }
  const { claim = '', prefix = '' } = username;
  const name = textClaim(claims, claim, `username claims ${JSON.stringify(claim)}`);
  if (claim === 'email' && hasClaim(claims, 'email_verified')) {
    const verified = claims['email_verified'];
    if (typeof verified !== 'boolean')
      throw new Error("oidc: parse 'email_verified' claim: the claim is not a boolean");
    if (!verified) throw new Error('oidc: email not verified');
  }
  return `${prefix}${name}`;
}

function groupsOf(claims: Claims, { groups }: ClaimMappings, { groups: program }: ClaimPrograms): string[] {
  const { claim, prefix = '' } = groups ?? {};
  if (claim && hasClaim(claims, claim)) {
    const value = claims[claim];
    const list = typeof value === 'string' ? [value] : value;
    if (!Array.isArray(list) || !list.every((one) => typeof one === 'string'))
      throw new Error(
        `oidc: parse groups claim ${JSON.stringify(claim)}: the claim is neither a string nor a list of strings`,
      );
    return list.map((one) => `${prefix}${one}`);
  }
  return program ? listOf(evaluated(program, { claims }, 'group claim'), 'group claim expression') : [];
}

function uidOf(claims: Claims, { uid }: ClaimMappings, { uid: program }: ClaimPrograms): string {
  if (uid?.claim) return textClaim(claims, uid.claim, `uid claim ${JSON.stringify(uid.claim)}`);
  if (!program) return '';
  const value = evaluated(program, { claims }, 'uid claim');
  if (typeof value === 'string') return value;
  throw new Error('oidc: error evaluating uid claim expression: uid claim expression must return a string');
}

function extraOf(claims: Claims, { extra }: ClaimPrograms): Record<string, string[]> {
  const all: Record<string, string[]> = Object.create(null);
  const id = claims['jti'];
  if (typeof id === 'string' && id) all[CREDENTIAL_ID] = [`JTI=${id}`];
  for (const { key, program } of extra) {
    const values = listOf(evaluated(program, { claims }, 'extra claim'), `extra claim expression: ${program.source}`);
    if (values.length > 0) all[key] = values;
  }
  return all;
}

/** As JSON. */
function evaluated(program: Program, variables: Record<string, unknown>, what: string): unknown {
  const { value, error } = program.evaluate(variables);
  if (error !== undefined)
    throw new Error(
      `oidc: error evaluating ${what} expression: expression '${program.source}' resulted in error: ${error}`,
    );
  const { json, error: notJson } = toJson(value);
  if (notJson !== undefined) throw new Error(`oidc: error evaluating ${what} expression: ${notJson}`);
  return json;
}

/** Empty texts are left out. */
function listOf(value: unknown, what: string): string[] {
  const list = value === null ? [] : typeof value === 'string' ? [value] : value;
  if (Array.isArray(list) && list.every((one) => typeof one === 'string')) return list.filter(Boolean);
  throw new Error(`oidc: error evaluating ${what}: expression must return a string or a list of strings`);
}

function checkRequiredClaims(claims: Claims, { claimValidationRules = [] }: JwtAuthenticatorConfiguration): void {
  for (const { claim, requiredValue = '' } of claimValidationRules) {
    if (!claim) continue;
    if (!hasClaim(claims, claim)) throw new Error(`oidc: required claim ${claim} not present in ID token`);
    const value = claims[claim];
    if (typeof value !== 'string') throw new Error(`oidc: parse claim ${claim}: the claim is not a string`);
    if (value !== requiredValue)
      throw new Error(`oidc: required claim ${claim} value does not match. Got = ${value}, want = ${requiredValue}`);
  }
}

/** Lazily: the first is enough. */
function* failuresOf(rules: readonly Rule[], variables: Record<string, unknown>): Generator<string> {
  for (const { program, message } of rules) {
    const { value, error } = program.evaluate(variables);
    if (error !== undefined) yield `expression '${program.source}' resulted in error: ${error}`;
    else if (typeof value !== 'boolean') yield 'validation expression must return a boolean';
    else if (!value) yield `validation expression '${program.source}' failed: ${message}`;
  }
}

function checkUser({ name, uid = '', groups, extra = {} }: UserInfo, rules: readonly Rule[]): void {
  if (rules.length === 0) return;
  const [failure] = failuresOf(rules, { user: { username: name, uid, groups, extra } });
  if (failure) throw new Error(`oidc: error evaluating user info validation rule: ${failure}`);
}
