/**
 * The file of `--authorization-config`: which authorizers there are, in which order. Source: documentation, "Authorization",
 * configuring the API server using a config file; kube-apiserver configuration reference (v1).
 */
import {
  duplicateValue,
  type FieldError,
  invalidValue,
  notSupportedValue,
  requiredValue,
  tooMany,
} from '#api/machinery/field-error.ts';
import { dns1123Subdomain } from '#api/machinery/names.ts';
import {
  type ConfigurationType,
  decodeConfiguration,
  durationText,
  refuseInvalid,
  type Shape,
} from '../remote/configuration-file.ts';

export interface AuthorizationConfiguration {
  authorizers: readonly AuthorizerConfiguration[];
}

export interface AuthorizerConfiguration {
  type: string;
  name: string;
  webhook?: WebhookConfiguration;
}

/** Times in ms. */
export interface WebhookConfiguration {
  timeout?: number;
  authorizedTTL?: number;
  cacheAuthorizedRequests?: boolean;
  unauthorizedTTL?: number;
  cacheUnauthorizedRequests?: boolean;
  subjectAccessReviewVersion?: string;
  matchConditionSubjectAccessReviewVersion?: string;
  failurePolicy?: string;
  connectionInfo?: { type?: string; kubeConfigFile?: string };
  matchConditions?: readonly { expression?: string }[];
}

export const AUTHORIZER_TYPES = ['ABAC', 'AlwaysAllow', 'AlwaysDeny', 'Node', 'RBAC', 'Webhook'] as const;
export type AuthorizerType = (typeof AUTHORIZER_TYPES)[number];

const WEBHOOK: Shape = {
  timeout: 'duration',
  authorizedTTL: 'duration',
  cacheAuthorizedRequests: 'boolean',
  unauthorizedTTL: 'duration',
  cacheUnauthorizedRequests: 'boolean',
  subjectAccessReviewVersion: 'string',
  matchConditionSubjectAccessReviewVersion: 'string',
  failurePolicy: 'string',
  connectionInfo: { type: 'string', kubeConfigFile: 'string' },
  matchConditions: [{ expression: 'string' }],
};

const TYPE: ConfigurationType = {
  group: 'apiserver.config.k8s.io',
  versions: ['v1', 'v1beta1', 'v1alpha1'],
  kind: 'AuthorizationConfiguration',
  fields: { authorizers: [{ type: 'string', name: 'string', webhook: WEBHOOK }] },
};

export interface ConfigurationServices {
  /** What is wrong with an expression; undefined for nothing. */
  expressionProblem(expression: string): string | undefined;
  /** What is wrong with a path to a kubeconfig file. */
  fileProblem(path: string): string | undefined;
}

/** With its defaults. Throws ConfigurationError. */
export function parseAuthorizationConfiguration(
  text: string,
  services: ConfigurationServices,
): AuthorizationConfiguration {
  const read = decodeConfiguration<Partial<AuthorizationConfiguration>>(text, TYPE);
  const configuration = { authorizers: (read.authorizers ?? []).map(withDefaults) };
  refuseInvalid(validate(configuration, services));
  refuseInvalid(configuration.authorizers.flatMap(otherName));
  return configuration;
}

const withDefaults = (authorizer: AuthorizerConfiguration): AuthorizerConfiguration =>
  authorizer.webhook
    ? {
        ...authorizer,
        webhook: {
          ...authorizer.webhook,
          authorizedTTL: authorizer.webhook.authorizedTTL || 300_000,
          cacheAuthorizedRequests: authorizer.webhook.cacheAuthorizedRequests ?? true,
          unauthorizedTTL: authorizer.webhook.unauthorizedTTL || 30_000,
          cacheUnauthorizedRequests: authorizer.webhook.cacheUnauthorizedRequests ?? true,
        },
      }
    : authorizer;

function otherName({ type, name }: AuthorizerConfiguration, index: number): FieldError[] {
  if (type === 'Webhook' || name === type.toLowerCase()) return [];
  const text = `expected name ${type.toLowerCase()} for authorizer ${type} instead of ${name}`;
  return [{ reason: 'FieldValueInvalid', field: `authorizers[${index}].name`, message: text }];
}

function validate({ authorizers }: AuthorizationConfiguration, services: ConfigurationServices): FieldError[] {
  if (authorizers.length === 0)
    return [requiredValue('authorizers', 'at least one authorization mode must be defined')];
  const types = new Set<string>();
  const names = new Set<string>();
  return authorizers.flatMap((authorizer, index) => {
    const at = `authorizers[${index}]`;
    const { type, name } = authorizer;
    if (!type) return [requiredValue(`${at}.type`)];
    if (!AUTHORIZER_TYPES.some((known) => known === type))
      return [notSupportedValue(`${at}.type`, type, AUTHORIZER_TYPES)];
    if (types.has(type) && type !== 'Webhook') return [duplicateValue(`${at}.type`, type)];
    types.add(type);
    const errors = nameErrors(name, names, at);
    names.add(name);
    return [...errors, ...webhookErrors(authorizer, at, services)];
  });
}

function nameErrors(name: string | undefined, taken: ReadonlySet<string>, at: string): FieldError[] {
  if (!name) return [requiredValue(`${at}.name`)];
  if (taken.has(name)) return [duplicateValue(`${at}.name`, name)];
  const complaints = dns1123Subdomain(name);
  return complaints.length > 0
    ? [invalidValue(`${at}.name`, name, `authorizer name is invalid: ${complaints.join(', ')}`)]
    : [];
}

function webhookErrors({ type, webhook }: AuthorizerConfiguration, at: string, services: ConfigurationServices) {
  if (type !== 'Webhook')
    return webhook ? [invalidValue(`${at}.webhook`, 'non-null', 'may only be specified when type=Webhook')] : [];
  if (!webhook) return [requiredValue(`${at}.webhook`, 'required when type=Webhook')];
  return [
    ...timeErrors(webhook, at),
    ...versionErrors(webhook, at),
    ...policyErrors(webhook, at),
    ...connectionErrors(webhook, at, services),
    ...conditionErrors(webhook, at, services),
  ];
}

const MAX_TIMEOUT_MS = 30_000;

function timeErrors({ timeout = 0, authorizedTTL = 0, unauthorizedTTL = 0 }: WebhookConfiguration, at: string) {
  const errors: FieldError[] = [];
  if (timeout === 0) errors.push(requiredValue(`${at}.timeout`));
  else if (timeout < 0 || timeout > MAX_TIMEOUT_MS)
    errors.push(invalidValue(`${at}.timeout`, durationText(timeout), 'must be > 0s and <= 30s'));
  for (const [name, ms] of Object.entries({ authorizedTTL, unauthorizedTTL }))
    if (ms < 0) errors.push(invalidValue(`${at}.${name}`, durationText(ms), 'must be > 0s'));
  return errors;
}

function versionErrors(webhook: WebhookConfiguration, at: string): FieldError[] {
  const errors: FieldError[] = [];
  const { subjectAccessReviewVersion: version = '', matchConditionSubjectAccessReviewVersion: forConditions = '' } =
    webhook;
  if (!version) errors.push(requiredValue(`${at}.subjectAccessReviewVersion`));
  else if (version !== 'v1' && version !== 'v1beta1')
    errors.push(notSupportedValue(`${at}.subjectAccessReviewVersion`, version, ['v1', 'v1beta1']));
  const path = `${at}.matchConditionSubjectAccessReviewVersion`;
  if (!forConditions && webhook.matchConditions?.length)
    errors.push(requiredValue(path, 'required if match conditions are specified'));
  if (forConditions && forConditions !== 'v1') errors.push(notSupportedValue(path, forConditions, ['v1']));
  return errors;
}

function policyErrors({ failurePolicy = '' }: WebhookConfiguration, at: string): FieldError[] {
  if (!failurePolicy) return [requiredValue(`${at}.failurePolicy`)];
  const known = ['NoOpinion', 'Deny'];
  return known.includes(failurePolicy) ? [] : [notSupportedValue(`${at}.failurePolicy`, failurePolicy, known)];
}

function connectionErrors(
  { connectionInfo: { type = '', kubeConfigFile } = {} }: WebhookConfiguration,
  at: string,
  { fileProblem }: ConfigurationServices,
): FieldError[] {
  const path = `${at}.connectionInfo`;
  if (!type) return [requiredValue(`${path}.type`)];
  if (type === 'InClusterConfig')
    return kubeConfigFile === undefined
      ? []
      : [invalidValue(`${path}.kubeConfigFile`, kubeConfigFile, 'can only be set when type=KubeConfigFile')];
  if (type !== 'KubeConfigFile')
    return [notSupportedValue(`${path}.type`, type, ['InClusterConfig', 'KubeConfigFile'])];
  if (!kubeConfigFile) return [requiredValue(`${path}.kubeConfigFile`)];
  const problem = kubeConfigFile.startsWith('/') ? fileProblem(kubeConfigFile) : 'must be an absolute path';
  return problem ? [invalidValue(`${path}.kubeConfigFile`, kubeConfigFile, problem)] : [];
}

const MAX_CONDITIONS = 64;

function conditionErrors(
  { matchConditions = [] }: WebhookConfiguration,
  at: string,
  { expressionProblem }: ConfigurationServices,
): FieldError[] {
  if (matchConditions.length > MAX_CONDITIONS)
    return [tooMany(`${at}.matchConditions`, matchConditions.length, MAX_CONDITIONS)];
  const seen = new Set<string>();
  return matchConditions.flatMap(({ expression = '' }, index) => {
    const path = `${at}.matchConditions[${index}].expression`;
    if (expression.trim() === '') return [requiredValue(path)];
    if (seen.has(expression)) return [duplicateValue(path, expression)];
    seen.add(expression);
    const problem = expressionProblem(expression);
    return problem ? [invalidValue(path, expression, problem)] : [];
  });
}
