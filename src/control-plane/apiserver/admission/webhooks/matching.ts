/**
 * Whether a webhook wants to see a request, and as which version of its kind. Source: API reference, MutatingWebhook
 * and RuleWithOperations; documentation, "Dynamic Admission Control", "Matching requests".
 */
import { Namespace } from '#api/core/v1/namespace.ts';
import type { RuleWithOperations } from '#api/generated/schema.ts';
import type { Kind, KindRegistry } from '#api/machinery/kind.ts';
import { isEverything, type Labels, matchesLabels } from '#api/machinery/label-selector.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { forbidden, notFound } from '#api/machinery/status.ts';
import type { AdmissionRequest, AdmissionServices } from '../define-admission.ts';
import type { Hook } from './hook-source.ts';

const CONFIGURATIONS: ReadonlySet<string> = new Set([
  'mutatingwebhookconfigurations',
  'validatingwebhookconfigurations',
  'mutatingadmissionpolicies',
  'mutatingadmissionpolicybindings',
  'validatingadmissionpolicies',
  'validatingadmissionpolicybindings',
]);

/** What configures admission passes no webhook: nobody could take back a webhook that refuses everything. */
export const isExempt = ({ group, plural }: Pick<Kind, 'group' | 'plural'>): boolean =>
  group === 'admissionregistration.k8s.io' && CONFIGURATIONS.has(plural);

/** The kind to show the object as; undefined when the webhook is not to be called. Throws what refuses the request. */
export async function matchedKind(
  hook: Hook,
  request: AdmissionRequest,
  services: Pick<AdmissionServices, 'informers' | 'live' | 'kinds'>,
): Promise<Kind | undefined> {
  const kind = kindByRules(hook, request, services.kinds);
  if (!kind || !matchesObject(hook, request)) return undefined;
  if (!isEverything(hook.namespaceSelector) && !(await matchesNamespace(hook, request, services))) return undefined;
  return matchesConditions(hook, request) ? kind : undefined;
}

export type MatchedRequest = Pick<AdmissionRequest, 'verb' | 'kind' | 'namespace' | 'subresource'>;

export function kindByRules({ webhook }: Hook, request: MatchedRequest, kinds: KindRegistry): Kind | undefined {
  const { rules = [], matchPolicy } = webhook;
  if (rules.some((rule) => ruleMatches(rule, request))) return request.kind;
  if (matchPolicy === 'Exact') return undefined;
  return equivalents(request, kinds).find((kind) => rules.some((rule) => ruleMatches(rule, { ...request, kind })));
}

/** Other versions (and groups) under which the same stored objects are served. */
const equivalents = ({ kind, subresource }: MatchedRequest, kinds: KindRegistry): Kind[] =>
  kinds
    .all()
    .filter(
      (other) =>
        other.storagePrefix === kind.storagePrefix &&
        (other.group !== kind.group || other.version !== kind.version) &&
        (!subresource || other.subresources.some(({ name }) => name === subresource)),
    );

export function ruleMatches(rule: RuleWithOperations, { verb, kind, namespace, subresource }: MatchedRequest): boolean {
  return (
    listed(rule.operations, verb.toUpperCase()) &&
    listed(rule.apiGroups, kind.group) &&
    listed(rule.apiVersions, kind.version) &&
    inScope(rule.scope, kind, namespace) &&
    (rule.resources ?? []).some((resource) => resourceMatches(resource, kind.plural, subresource))
  );
}

const listed = (values: readonly string[] | undefined, value: string): boolean =>
  values !== undefined && (values.includes('*') || values.includes(value));

/** `*` is every resource, but no subresource; `pods/*` is pods and everything under them. */
function resourceMatches(pattern: string, plural: string, subresource: string): boolean {
  const [resource = '', sub = ''] = pattern.split('/', 2);
  return (resource === '*' || resource === plural) && (sub === '*' || sub === subresource);
}

/** A Namespace is admitted as if it stood in itself, and is of the cluster all the same. */
function inScope(scope: string | undefined, { plural }: Kind, namespace: string): boolean {
  if (scope === undefined || scope === '*') return true;
  const isOfCluster = plural === 'namespaces' || namespace === '';
  return (scope === 'Cluster') === isOfCluster;
}

function matchesObject({ objectSelector }: Hook, { object, old }: AdmissionRequest): boolean {
  if (isEverything(objectSelector)) return true;
  return [object, old].some((one) => one !== undefined && matchesLabels(objectSelector, labelsOf(one)));
}

const labelsOf = ({ metadata }: KubeObject): Labels | undefined => metadata?.labels;

/** Throws NotFound when the namespace is not there. */
async function matchesNamespace(
  { namespaceSelector }: Hook,
  request: AdmissionRequest,
  { informers, live }: Pick<AdmissionServices, 'informers' | 'live'>,
): Promise<boolean> {
  const { kind, namespace, object, verb, subresource } = request;
  const isNamespace = kind.group === '' && kind.plural === 'namespaces';
  if (!namespace) return true;
  if (isNamespace && object && !subresource && (verb === 'create' || verb === 'update'))
    return matchesLabels(namespaceSelector, labelsOf(object));
  const found = informers.for(Namespace).get(namespace) ?? (await live(Namespace, { name: namespace }));
  if (!found) throw notFound(Namespace, namespace);
  return matchesLabels(namespaceSelector, labelsOf(found));
}

/**
 * Conditions are CEL, which this server does not evaluate: they count as conditions whose evaluation failed, which the
 * failure policy decides. Calling without them would change or refuse what they were written to leave alone.
 */
function matchesConditions({ webhook }: Hook, { kind, name }: AdmissionRequest): boolean {
  if (!webhook.matchConditions?.length) return true;
  if (webhook.failurePolicy === 'Ignore') return false;
  const why = `the match conditions of webhook ${JSON.stringify(webhook.name)} cannot be evaluated: CEL is not supported`;
  throw forbidden(kind, name, why);
}
