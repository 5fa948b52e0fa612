/** What admission webhooks and policies have in common. Source: API reference, admissionregistration.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import {
  duplicateValue,
  type FieldError,
  invalidValue,
  notSupportedValue,
  requiredValue,
} from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { follows, isBetween, isOneOf } from '#api/machinery/field-rules.ts';
import { validateLabelSelector } from '#api/machinery/label-selector.ts';
import { dns1123Subdomain } from '#api/machinery/names.ts';

const OPERATIONS = ['*', 'CONNECT', 'CREATE', 'DELETE', 'UPDATE'];
const MAX_SECONDS = 30;
const REVIEW_VERSIONS = ['v1', 'v1beta1'];

type Webhook = schema.ValidatingWebhook;

/** For webhooks of both sorts. */
export const defaultWebhook = <T extends schema.Submitted<Webhook>>(webhook: T) => ({
  ...webhook,
  clientConfig: defaultClientConfig(webhook.clientConfig ?? {}),
  ...(webhook.rules && { rules: webhook.rules.map(defaultRule) }),
  failurePolicy: webhook.failurePolicy ?? 'Fail',
  matchPolicy: webhook.matchPolicy ?? 'Equivalent',
  namespaceSelector: webhook.namespaceSelector ?? {},
  objectSelector: webhook.objectSelector ?? {},
  timeoutSeconds: webhook.timeoutSeconds ?? 10,
});

const defaultClientConfig = (config: schema.Submitted<schema.AdmissionregistrationWebhookClientConfig>) =>
  config.service ? { ...config, service: { ...config.service, port: config.service.port ?? 443 } } : config;

const defaultRule = <T extends schema.Submitted<schema.RuleWithOperations>>(rule: T) => ({
  ...rule,
  scope: rule.scope ?? '*',
});

/** For the policies, which match as webhooks do. */
export const defaultMatch = (match: schema.Submitted<schema.MatchResources>): schema.MatchResources =>
  ({
    ...match,
    namespaceSelector: match.namespaceSelector ?? {},
    objectSelector: match.objectSelector ?? {},
    ...(match.resourceRules && { resourceRules: match.resourceRules.map(defaultRule) }),
    ...(match.excludeResourceRules && { excludeResourceRules: match.excludeResourceRules.map(defaultRule) }),
    matchPolicy: match.matchPolicy ?? 'Equivalent',
  }) as schema.MatchResources;

export const validateWebhooks = (webhooks: readonly Webhook[], at: At<Webhook[]>): FieldError[] =>
  webhooks.flatMap((webhook, index) => [
    ...validateWebhook(webhook, at[index]!),
    ...(webhooks.findIndex(({ name }) => name === webhook.name) < index
      ? [duplicateValue(at[index]!.name, webhook.name)]
      : []),
  ]);

function validateWebhook(webhook: Webhook, at: At<Webhook>): FieldError[] {
  const { name = '', clientConfig, admissionReviewVersions: versions = [] } = webhook;
  const errors: FieldError[] = name ? follows(at.name, name, dns1123Subdomain) : [requiredValue(at.name)];
  if (name && name.split('.').length < 3)
    errors.push(invalidValue(at.name, name, 'should be a domain with at least three segments separated by dots'));
  if (!webhook.sideEffects) errors.push(requiredValue(at.sideEffects, 'must specify one of None, NoneOnDryRun'));
  else errors.push(...isOneOf(at.sideEffects, webhook.sideEffects, ['None', 'NoneOnDryRun']));
  if (versions.length === 0)
    errors.push(requiredValue(at.admissionReviewVersions, `must specify one of ${REVIEW_VERSIONS.join(', ')}`));
  else if (!versions.some((version) => REVIEW_VERSIONS.includes(version)))
    errors.push(
      invalidValue(at.admissionReviewVersions, versions, `must include at least one of ${REVIEW_VERSIONS.join(', ')}`),
    );
  errors.push(...(webhook.rules ?? []).flatMap((rule, i) => validateRule(rule, at.rules[i]!)));
  errors.push(...isOneOf(at.failurePolicy, webhook.failurePolicy, ['Fail', 'Ignore']));
  errors.push(...isOneOf(at.matchPolicy, webhook.matchPolicy, ['Equivalent', 'Exact']));
  errors.push(...validateLabelSelector(webhook.namespaceSelector, at.namespaceSelector));
  errors.push(...validateLabelSelector(webhook.objectSelector, at.objectSelector));
  if (webhook.timeoutSeconds !== undefined && (webhook.timeoutSeconds < 1 || webhook.timeoutSeconds > MAX_SECONDS))
    errors.push(...isBetween(at.timeoutSeconds, webhook.timeoutSeconds, [1, MAX_SECONDS]));
  return [...errors, ...validateClientConfig(clientConfig ?? {}, at.clientConfig)];
}

function validateClientConfig(
  { url, service }: schema.AdmissionregistrationWebhookClientConfig,
  at: At<schema.AdmissionregistrationWebhookClientConfig>,
): FieldError[] {
  if ((url === undefined) === (service === undefined))
    return [requiredValue(at, 'exactly one of url or service is required')];
  if (url !== undefined)
    return url.startsWith('https://')
      ? []
      : [
          invalidValue(
            at.url,
            url.split(':')[0] ?? '',
            `'https' is the only allowed URL scheme; desired format: https://host[/path]`,
          ),
        ];
  return [
    ...(service?.name ? [] : [requiredValue(at.service.name, 'service name is required')]),
    ...(service?.namespace ? [] : [requiredValue(at.service.namespace, 'service namespace is required')]),
    ...isBetween(at.service.port, service?.port, [1, 65535]),
  ];
}

export function validateRule(rule: schema.RuleWithOperations, at: At<schema.RuleWithOperations>): FieldError[] {
  const { operations = [], apiGroups = [], apiVersions = [], resources = [] } = rule;
  const errors: FieldError[] = [];
  if (operations.length === 0) errors.push(requiredValue(at.operations));
  for (const [index, operation] of operations.entries())
    if (!OPERATIONS.includes(operation)) errors.push(notSupportedValue(at.operations[index]!, operation, OPERATIONS));
  const lists = { apiGroups, apiVersions, resources };
  for (const [name, values] of Object.entries(lists) as [keyof typeof lists, string[]][]) {
    if (values.length === 0) errors.push(requiredValue(at[name]));
    if (values.length > 1 && values.includes('*'))
      errors.push(invalidValue(at[name], values, `if '*' is present, must not specify other ${WORDS[name]}`));
  }
  return [...errors, ...isOneOf(at.scope, rule.scope, ['*', 'Cluster', 'Namespaced'])];
}

const WORDS = { apiGroups: 'API groups', apiVersions: 'API versions', resources: 'resources' };

export function validateMatch(match: schema.MatchResources, at: At<schema.MatchResources>): FieldError[] {
  return [
    ...validateLabelSelector(match.namespaceSelector, at.namespaceSelector),
    ...validateLabelSelector(match.objectSelector, at.objectSelector),
    ...(match.resourceRules ?? []).flatMap((rule, i) => validateRule(rule, at.resourceRules[i]!)),
    ...(match.excludeResourceRules ?? []).flatMap((rule, i) => validateRule(rule, at.excludeResourceRules[i]!)),
    ...isOneOf(at.matchPolicy, match.matchPolicy, ['Equivalent', 'Exact']),
  ];
}

/** A parameter is one object by its name, or some by their labels. */
export function validateParamRef(ref: schema.ParamRef, at: At<schema.ParamRef>): FieldError[] {
  const errors: FieldError[] = [];
  if (Boolean(ref.name) === Boolean(ref.selector))
    errors.push(requiredValue(at, 'one of name or selector must be specified'));
  return [...errors, ...isOneOf(at.parameterNotFoundAction, ref.parameterNotFoundAction, ['Allow', 'Deny'])];
}
