/**
 * The file of `--authentication-config`: which issuers of JWTs are believed and who their users are here, and where nobody
 * may ask. Source: documentation, "Authenticating", using authentication configuration; configuration reference (v1).
 */
import { X509Certificate } from 'node:crypto';
import { duplicateValue, type FieldError, invalidValue, requiredValue, tooMany } from '#api/machinery/field-error.ts';
import { repeatedIn } from '#api/machinery/repeated.ts';
import {
  type ConfigurationType,
  decodeConfiguration,
  refuseInvalid,
  type Shape,
} from '../remote/configuration-file.ts';
import { validateExtraKey } from './extra-key.ts';

export interface AuthenticationConfiguration {
  jwt: readonly JwtAuthenticatorConfiguration[];
  anonymous?: { enabled: boolean; conditions?: readonly { path: string }[] };
}

export interface JwtAuthenticatorConfiguration {
  issuer: IssuerConfiguration;
  claimValidationRules?: readonly ClaimValidationRule[];
  claimMappings: ClaimMappings;
  userValidationRules?: readonly { expression?: string; message?: string }[];
}

export interface IssuerConfiguration {
  url: string;
  discoveryURL?: string;
  /** PEM. */
  certificateAuthority?: string;
  audiences: readonly string[];
  audienceMatchPolicy?: string;
  egressSelectorType?: string;
}

export interface ClaimValidationRule {
  claim?: string;
  requiredValue?: string;
  expression?: string;
  message?: string;
}

export interface PrefixedClaimOrExpression {
  claim?: string;
  prefix?: string;
  expression?: string;
}

export interface ClaimMappings {
  username: PrefixedClaimOrExpression;
  groups?: PrefixedClaimOrExpression;
  uid?: { claim?: string; expression?: string };
  extra?: readonly { key?: string; valueExpression?: string }[];
}

const CLAIM: Shape = { claim: 'string', prefix: 'string', expression: 'string' };

const TYPE: ConfigurationType = {
  group: 'apiserver.config.k8s.io',
  versions: ['v1', 'v1beta1', 'v1alpha1'],
  kind: 'AuthenticationConfiguration',
  fields: {
    jwt: [
      {
        issuer: {
          url: 'string',
          discoveryURL: 'string',
          certificateAuthority: 'string',
          audiences: ['string'],
          audienceMatchPolicy: 'string',
          egressSelectorType: 'string',
        },
        claimValidationRules: [{ claim: 'string', requiredValue: 'string', expression: 'string', message: 'string' }],
        claimMappings: {
          username: CLAIM,
          groups: CLAIM,
          uid: { claim: 'string', expression: 'string' },
          extra: [{ key: 'string', valueExpression: 'string' }],
        },
        userValidationRules: [{ expression: 'string', message: 'string' }],
      },
    ],
    anonymous: { enabled: 'boolean', conditions: [{ path: 'string' }] },
  },
};

/** What an expression may be about, and what it must result in. */
export type ExpressionUse = 'username' | 'groups' | 'uid' | 'extra' | 'claimValidation' | 'userValidation';

export interface AuthenticationConfigurationServices {
  /** Issuers of the cluster's own tokens: nobody else may be one of them. */
  ownIssuers: readonly string[];
  /** What is wrong with an expression, and which claims (`email`, …) it looks at. */
  examine(expression: string, use: ExpressionUse): { problem?: string; claims: ReadonlySet<string> };
}

/** Throws ConfigurationError. */
export function parseAuthenticationConfiguration(
  text: string,
  services: AuthenticationConfigurationServices,
): AuthenticationConfiguration {
  const { jwt = [], anonymous } = decodeConfiguration<Partial<AuthenticationConfiguration>>(text, TYPE);
  const whole = jwt.map((one) => ({
    ...one,
    issuer: { ...one.issuer, url: one.issuer?.url ?? '', audiences: one.issuer?.audiences ?? [] },
    claimMappings: { ...one.claimMappings, username: one.claimMappings?.username ?? {} },
  }));
  const nobody = anonymous && {
    enabled: anonymous.enabled ?? false,
    ...(anonymous.conditions && { conditions: anonymous.conditions }),
  };
  const configuration = { jwt: whole, ...(nobody && { anonymous: nobody }) };
  refuseInvalid(validateAuthenticationConfiguration(configuration, services));
  return configuration;
}

const MAX_AUTHENTICATORS = 64;

export function validateAuthenticationConfiguration(
  { jwt, anonymous }: AuthenticationConfiguration,
  services: AuthenticationConfigurationServices,
): FieldError[] {
  if (jwt.length > MAX_AUTHENTICATORS) return [tooMany('jwt', jwt.length, MAX_AUTHENTICATORS)];
  const issuers = new Set<string>();
  const discoveries = new Set<string>();
  const errors = jwt.flatMap((authenticator, index) => {
    const at = `jwt[${index}]`;
    const { url, discoveryURL } = authenticator.issuer;
    const repeated: FieldError[] = [];
    if (issuers.has(url)) repeated.push(duplicateValue(`${at}.issuer.url`, url));
    issuers.add(url);
    if (discoveryURL && discoveries.has(discoveryURL))
      repeated.push(duplicateValue(`${at}.issuer.discoveryURL`, discoveryURL));
    if (discoveryURL) discoveries.add(discoveryURL);
    return [...authenticatorErrors(authenticator, at, services), ...repeated];
  });
  if (anonymous && !anonymous.enabled && anonymous.conditions?.length)
    errors.push(
      invalidValue(
        'anonymous.conditions',
        anonymous.conditions,
        'enabled should be set to true when conditions are defined',
      ),
    );
  return errors;
}

const authenticatorErrors = (
  authenticator: JwtAuthenticatorConfiguration,
  at: string,
  services: AuthenticationConfigurationServices,
): FieldError[] => [
  ...issuerErrors(authenticator.issuer, `${at}.issuer`, services.ownIssuers),
  ...claimRuleErrors(authenticator, `${at}.claimValidationRules`, services),
  ...mappingErrors(authenticator, `${at}.claimMappings`, services),
  ...userRuleErrors(authenticator, `${at}.userValidationRules`, services),
];

function issuerErrors(issuer: IssuerConfiguration, at: string, own: readonly string[]): FieldError[] {
  const { url, discoveryURL, egressSelectorType: egress, certificateAuthority } = issuer;
  const errors = url ? urlErrors(url, `${at}.url`, own) : [requiredValue(`${at}.url`)];
  if (discoveryURL) {
    if (url && withoutSlashes(url) === withoutSlashes(discoveryURL))
      errors.push(invalidValue(`${at}.discoveryURL`, discoveryURL, 'discoveryURL must be different from URL'));
    errors.push(...urlErrors(discoveryURL, `${at}.discoveryURL`, []));
  }
  errors.push(...audienceErrors(issuer, at));
  if (certificateAuthority && !isCertificates(certificateAuthority))
    errors.push(
      invalidValue(
        `${at}.certificateAuthority`,
        '<omitted>',
        'data does not contain any valid RSA or ECDSA certificates',
      ),
    );
  if (egress)
    errors.push(
      invalidValue(`${at}.egressSelectorType`, egress, 'this API server has no egress selectors; leave it out'),
    );
  return errors;
}

const withoutSlashes = (url: string): string => url.replace(/\/+$/, '');

function isCertificates(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch (error) {
    if (error instanceof Error && 'code' in error) return false;
    throw error;
  }
}

function urlErrors(text: string, at: string, disallowed: readonly string[]): FieldError[] {
  const errors: FieldError[] = [];
  const wrong = (why: string) => errors.push(invalidValue(at, text, why));
  if (disallowed.includes(text)) wrong(`URL must not overlap with disallowed issuers: [${disallowed.join(' ')}]`);
  if (!URL.canParse(text)) {
    wrong(text.includes(':') ? `parse ${JSON.stringify(text)}: invalid URL` : 'URL scheme must be https');
    return errors;
  }
  const url = new URL(text);
  if (url.protocol !== 'https:') wrong('URL scheme must be https');
  if (url.username || url.password) wrong('URL must not contain a username or password');
  if (url.search) wrong('URL must not contain a query');
  if (url.hash) wrong('URL must not contain a fragment');
  return errors;
}

function audienceErrors({ audiences, audienceMatchPolicy: policy = '' }: IssuerConfiguration, at: string) {
  const path = `${at}.audiences`;
  if (audiences.length === 0) return [requiredValue(path, `at least one ${path} is required`)];
  const errors: FieldError[] = [];
  const repeated = repeatedIn(audiences);
  for (const [index, audience] of audiences.entries()) {
    if (audience === '') errors.push(requiredValue(`${path}[${index}]`));
    if (repeated.has(index)) errors.push(duplicateValue(`${path}[${index}]`, audience));
  }
  const isAny = policy === 'MatchAny';
  if (audiences.length > 1 && !isAny)
    errors.push(
      invalidValue(`${at}.audienceMatchPolicy`, policy, 'audienceMatchPolicy must be MatchAny for multiple audiences'),
    );
  if (audiences.length === 1 && policy && !isAny)
    errors.push(
      invalidValue(
        `${at}.audienceMatchPolicy`,
        policy,
        'audienceMatchPolicy must be empty or MatchAny for single audience',
      ),
    );
  return errors;
}

type Services = AuthenticationConfigurationServices;

function claimRuleErrors({ claimValidationRules = [] }: JwtAuthenticatorConfiguration, at: string, services: Services) {
  const claims = new Set<string>();
  const expressions = new Set<string>();
  return claimValidationRules.flatMap((rule, index): FieldError[] => {
    const path = `${at}[${index}]`;
    const { claim = '', expression = '', message, requiredValue: wanted } = rule;
    if (claim && expression) return [invalidValue(path, claim, "claim and expression can't both be set")];
    if (!claim && !expression) return [requiredValue(path, 'claim or expression is required')];
    if (claim) {
      const errors: FieldError[] = [];
      if (message) errors.push(invalidValue(`${path}.message`, message, 'may not be specified when claim is set'));
      if (claims.has(claim)) errors.push(duplicateValue(`${path}.claim`, claim));
      claims.add(claim);
      return errors;
    }
    const errors = wanted
      ? [invalidValue(`${path}.requiredValue`, wanted, 'may not be specified when expression is set')]
      : [];
    if (expressions.has(expression)) return [...errors, duplicateValue(`${path}.expression`, expression)];
    expressions.add(expression);
    return [...errors, ...expressionErrors(expression, 'claimValidation', `${path}.expression`, services)];
  });
}

function expressionErrors(expression: string, use: ExpressionUse, at: string, { examine }: Services): FieldError[] {
  const { problem } = examine(expression, use);
  return problem === undefined ? [] : [invalidValue(at, expression, problem)];
}

function mappingErrors(authenticator: JwtAuthenticatorConfiguration, at: string, services: Services): FieldError[] {
  const { username, groups = {}, uid = {}, extra = [] } = authenticator.claimMappings;
  const errors = [
    ...prefixedErrors(username, 'username', `${at}.username`, services),
    ...(username.claim || username.expression
      ? []
      : [requiredValue(`${at}.username`, 'claim or expression is required')]),
    ...prefixedErrors(groups, 'groups', `${at}.groups`, services),
  ];
  if (uid.claim && uid.expression) errors.push(invalidValue(`${at}.uid`, '', "claim and expression can't both be set"));
  else if (uid.expression) errors.push(...expressionErrors(uid.expression, 'uid', `${at}.uid.expression`, services));
  errors.push(...extraErrors(extra, `${at}.extra`, services));
  if (!errors.length && looksAtUnverifiedEmail(authenticator, services))
    errors.push(
      invalidValue(
        `${at}.username.expression`,
        username.expression ?? '',
        'claims.email_verified must be used in claimMappings.username.expression or claimMappings.extra[*].valueExpression or claimValidationRules[*].expression when claims.email is used in claimMappings.username.expression',
      ),
    );
  return errors;
}

function prefixedErrors(mapping: PrefixedClaimOrExpression, use: ExpressionUse, at: string, services: Services) {
  const { claim, expression, prefix } = mapping;
  if (expression && claim) return [invalidValue(at, '', "claim and expression can't both be set")];
  if (expression)
    return [
      ...(prefix === undefined
        ? []
        : [invalidValue(`${at}.prefix`, prefix, 'may not be specified when expression is set')]),
      ...expressionErrors(expression, use, `${at}.expression`, services),
    ];
  return claim && prefix === undefined
    ? [
        requiredValue(
          `${at}.prefix`,
          'prefix is required when claim is set. It can be set to an empty string to disable prefixing',
        ),
      ]
    : [];
}

function extraErrors(extra: NonNullable<ClaimMappings['extra']>, at: string, services: Services): FieldError[] {
  const keys = new Set<string>();
  return extra.flatMap(({ key = '', valueExpression = '' }, index) => {
    const path = `${at}[${index}]`;
    const errors = validateExtraKey(key, `${path}.key`);
    if (key !== key.toLowerCase()) errors.push(invalidValue(`${path}.key`, key, 'must be lowercase'));
    if (isReserved(key))
      errors.push(
        invalidValue(`${path}.key`, key, 'k8s.io, kubernetes.io and their subdomains are reserved for Kubernetes use'),
      );
    if (keys.has(key)) return [...errors, duplicateValue(`${path}.key`, key)];
    keys.add(key);
    if (!valueExpression) return [...errors, requiredValue(`${path}.valueExpression`)];
    return [...errors, ...expressionErrors(valueExpression, 'extra', `${path}.valueExpression`, services)];
  });
}

function isReserved(key: string): boolean {
  const [domain = '', ...rest] = key.split('/');
  return rest.length > 0 && /^(.*\.)?(kubernetes|k8s)\.io$/.test(domain);
}

/** Whoever can give himself any address in a directory could be anybody here. */
function looksAtUnverifiedEmail(authenticator: JwtAuthenticatorConfiguration, { examine }: Services): boolean {
  const { username, extra = [] } = authenticator.claimMappings;
  if (!username.expression) return false;
  const { claims } = examine(username.expression, 'username');
  if (!claims.has('email') || claims.has('email_verified')) return false;
  const looksAtIt = (expression: string | undefined, use: ExpressionUse) =>
    expression !== undefined && examine(expression, use).claims.has('email_verified');
  return !(
    extra.some(({ valueExpression }) => looksAtIt(valueExpression, 'extra')) ||
    authenticator.claimValidationRules?.some(({ expression }) => looksAtIt(expression, 'claimValidation'))
  );
}

function userRuleErrors({ userValidationRules = [] }: JwtAuthenticatorConfiguration, at: string, services: Services) {
  const seen = new Set<string>();
  return userValidationRules.flatMap(({ expression = '' }, index): FieldError[] => {
    const path = `${at}[${index}].expression`;
    if (!expression) return [requiredValue(path)];
    if (seen.has(expression)) return [duplicateValue(path, expression)];
    seen.add(expression);
    return expressionErrors(expression, 'userValidation', path, services);
  });
}
