/** What mutating and validating webhooks have in common. Source: API reference, admissionregistration.k8s.io/v1; texts as upstream. */
import type * as schema from '#api/generated/schema.ts';
import { duplicateValue, type FieldError, invalidValue, requiredValue } from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { follows, isOneOf } from '#api/machinery/field-rules.ts';
import { validateLabelSelector } from '#api/machinery/label-selector.ts';
import { dns1035Label, dns1123Subdomain, portNumber } from '#api/machinery/names.ts';
import { repeatedIn } from '#api/machinery/repeated.ts';
import { validateMatchConditions } from './expression-rules.ts';
import { defaultRule, validateRule } from './match-rules.ts';

const MAX_SECONDS = 30;
const REVIEW_VERSIONS = ['v1', 'v1beta1'];

type Webhook = schema.ValidatingWebhook;

/** For webhooks of both sorts. */
export const defaultWebhook = <T extends schema.Submitted<schema.ValidatingWebhook>>(webhook: T) => ({
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

export function validateWebhooks(webhooks: readonly Webhook[], at: At<Webhook[]>): FieldError[] {
  const repeated = repeatedIn(webhooks.map(({ name }) => name));
  return webhooks.flatMap((webhook, index) => [
    ...validateWebhook(webhook, at[index]!),
    ...reviewVersionErrors(webhook.admissionReviewVersions ?? [], at[index]!.admissionReviewVersions),
    ...(webhook.name && repeated.has(index) ? [duplicateValue(at[index]!.name, webhook.name)] : []),
  ]);
}

function validateWebhook(webhook: Webhook, at: At<Webhook>): FieldError[] {
  const { timeoutSeconds, sideEffects } = webhook;
  return [
    ...nameErrors(webhook.name ?? '', at.name),
    ...(webhook.rules ?? []).flatMap((rule, i) => validateRule(rule, at.rules[i]!)),
    ...isOneOf(at.failurePolicy, webhook.failurePolicy, ['Fail', 'Ignore']),
    ...isOneOf(at.matchPolicy, webhook.matchPolicy, ['Equivalent', 'Exact']),
    ...(sideEffects
      ? isOneOf(at.sideEffects, sideEffects, ['None', 'NoneOnDryRun'])
      : [requiredValue(at.sideEffects, 'must specify one of None, NoneOnDryRun')]),
    ...(timeoutSeconds !== undefined && (timeoutSeconds < 1 || timeoutSeconds > MAX_SECONDS)
      ? [invalidValue(at.timeoutSeconds, timeoutSeconds, 'the timeout value must be between 1 and 30 seconds')]
      : []),
    ...validateLabelSelector(webhook.namespaceSelector, at.namespaceSelector),
    ...validateLabelSelector(webhook.objectSelector, at.objectSelector),
    ...validateClientConfig(webhook.clientConfig ?? {}, at.clientConfig),
    ...validateMatchConditions(webhook.matchConditions ?? [], at.matchConditions, { hasParams: false }),
  ];
}

function nameErrors(name: string, at: At<string>): FieldError[] {
  if (!name) return [requiredValue(at)];
  const complaints = dns1123Subdomain(name);
  if (complaints.length > 0) return [invalidValue(at, name, complaints.join(','))];
  return name.split('.').length < 3
    ? [invalidValue(at, name, 'should be a domain with at least three segments separated by dots')]
    : [];
}

function reviewVersionErrors(versions: readonly string[], at: At<string[]>): FieldError[] {
  if (versions.length === 0) return [requiredValue(at, `must specify one of ${REVIEW_VERSIONS.join(', ')}`)];
  const repeated = repeatedIn(versions);
  return [
    ...versions.flatMap((version, i) =>
      repeated.has(i) ? [invalidValue(at[i]!, version, 'duplicate version')] : follows(at[i]!, version, dns1035Label),
    ),
    ...(versions.some((version) => REVIEW_VERSIONS.includes(version))
      ? []
      : [invalidValue(at, versions, `must include at least one of ${REVIEW_VERSIONS.join(', ')}`)]),
  ];
}

function validateClientConfig(
  { url, service }: schema.AdmissionregistrationWebhookClientConfig,
  at: At<schema.AdmissionregistrationWebhookClientConfig>,
): FieldError[] {
  if ((url === undefined) === (service === undefined))
    return [requiredValue(at, 'exactly one of url or service is required')];
  return service ? serviceErrors(service, at.service) : urlErrors(url ?? '', at.url);
}

const FORM = 'desired format: https://host[/path]';
/** scheme, user, host, query, fragment. */
const URL_PARTS = /^(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?:\/\/(?:([^/?#@]*)@)?([^/?#]*))?[^?#]*(\?[^#]*)?(#.*)?$/s;

function urlErrors(url: string, at: At<string>): FieldError[] {
  const [, scheme = '', user, host = '', query = '', fragment = ''] = URL_PARTS.exec(url) ?? [];
  return [
    ...(scheme.toLowerCase() === 'https'
      ? []
      : [invalidValue(at, scheme, `'https' is the only allowed URL scheme; ${FORM}`)]),
    ...(host ? [] : [invalidValue(at, host, `host must be specified; ${FORM}`)]),
    ...(user === undefined ? [] : [invalidValue(at, user, 'user information is not permitted in the URL')]),
    ...(fragment.length > 1 ? [invalidValue(at, fragment.slice(1), 'fragments are not permitted in the URL')] : []),
    ...(query.length > 1 ? [invalidValue(at, query.slice(1), 'query parameters are not permitted in the URL')] : []),
  ];
}

type ServiceReference = schema.AdmissionregistrationServiceReference;

function serviceErrors({ name, namespace, path, port }: ServiceReference, at: At<ServiceReference>): FieldError[] {
  const complaints = port === undefined ? [] : portNumber(port);
  return [
    ...(name ? [] : [requiredValue(at.name)]),
    ...(namespace ? [] : [requiredValue(at.namespace)]),
    ...(complaints.length > 0 ? [invalidValue(at.port, port, `port is not valid: ${complaints.join(', ')}`)] : []),
    ...(path ? pathErrors(path, at.path) : []),
  ];
}

function pathErrors(path: string, at: At<string>): FieldError[] {
  if (path === '/') return [];
  if (path === '//') return [invalidValue(at, path, 'segment[0] may not be empty')];
  const steps = path.slice(1).replace(/\/$/, '').split('/');
  return [
    ...(path.startsWith('/') ? [] : [invalidValue(at, path, "must start with a '/'")]),
    ...steps.flatMap((step, i) =>
      step === ''
        ? [invalidValue(at, path, `segment[${i}] may not be empty`)]
        : dns1123Subdomain(step).map((complaint) => invalidValue(at, path, `segment[${i}]: ${complaint}`)),
    ),
  ];
}
