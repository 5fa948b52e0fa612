/**
 * What webhooks and policies have in common: which requests their rules and selectors mean. Source: API reference,
 * RuleWithOperations and MatchResources; documentation, "Dynamic Admission Control", "Matching requests".
 */
import { Namespace } from '#api/core/v1/namespace.ts';
import type { RuleWithOperations } from '#api/generated/schema.ts';
import type { Kind, KindRegistry } from '#api/machinery/kind.ts';
import { isEverything, type Labels, matchesLabels, type Selector } from '#api/machinery/label-selector.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { notFound } from '#api/machinery/status.ts';
import type { AdmissionRequest, AdmissionServices } from './define-admission.ts';

export type MatchedRequest = Pick<AdmissionRequest, 'verb' | 'kind' | 'namespace' | 'subresource'>;

/**
 * The kind as which `matches` accepts the request: its own, or another version of the same objects where the policy of the
 * match allows for those. undefined when there is none.
 */
export function matchingKind<R extends MatchedRequest>(
  request: R,
  { matchPolicy, kinds }: { matchPolicy: string | undefined; kinds: KindRegistry },
  matches: (request: R) => boolean,
): Kind | undefined {
  if (matches(request)) return request.kind;
  if (matchPolicy === 'Exact') return undefined;
  const { kind, subresource } = request;
  return equivalents(kind, kinds).find(
    (other) =>
      (!subresource || other.subresources.some(({ name }) => name === subresource)) &&
      matches({ ...request, kind: other }),
  );
}

const known = new WeakMap<Kind, { generation: number; others: readonly Kind[] }>();

/** Other versions (and groups) under which the same stored objects are served. Kept as long as the same kinds are. */
function equivalents(kind: Kind, kinds: KindRegistry): readonly Kind[] {
  const { generation } = kinds;
  const before = known.get(kind);
  if (before?.generation === generation) return before.others;
  const { storagePrefix, group, version } = kind;
  const others = kinds
    .all()
    .filter((other) => other.storagePrefix === storagePrefix && (other.group !== group || other.version !== version));
  known.set(kind, { generation, others });
  return others;
}

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

export function matchesObject(selector: Selector, { object, old }: AdmissionRequest): boolean {
  if (isEverything(selector)) return true;
  return [object, old].some((one) => one !== undefined && matchesLabels(selector, labelsOf(one)));
}

const labelsOf = ({ metadata }: KubeObject): Labels | undefined => metadata?.labels;

type Lookup = Pick<AdmissionServices, 'informers' | 'live'>;

/** Throws NotFound when the namespace is not there. */
export async function matchesNamespace(
  selector: Selector,
  request: AdmissionRequest,
  services: Lookup,
): Promise<boolean> {
  const { namespace, object, verb, subresource } = request;
  if (isEverything(selector) || !namespace) return true;
  if (isNamespace(request) && object && !subresource && (verb === 'create' || verb === 'update'))
    return matchesLabels(selector, labelsOf(object));
  return matchesLabels(selector, labelsOf(await namespaceNamed(namespace, services)));
}

export const isNamespace = ({ kind }: Pick<AdmissionRequest, 'kind'>): boolean =>
  kind.group === '' && kind.plural === 'namespaces';

/** Throws NotFound. */
export async function namespaceNamed(name: string, { informers, live }: Lookup): Promise<Namespace> {
  const found = informers.for(Namespace).get(name) ?? (await live(Namespace, { name }));
  if (!found) throw notFound(Namespace, name);
  return found;
}
