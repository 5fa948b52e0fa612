/** The objects that a policy is parameterised with. Source: API reference, ParamKind and ParamRef; texts as upstream's CollectParams. */
import type { ParamKind, ParamRef } from '#api/generated/schema.ts';
import { apiVersionOf, type Kind, type KindRegistry } from '#api/machinery/kind.ts';
import { matchesLabels, selectorFrom } from '#api/machinery/label-selector.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import type { Informer } from '#client/informer.ts';
import type { AdmissionRequest, AdmissionServices } from '../define-admission.ts';
import { hasSyncedWithin } from '../followed.ts';

/** How long a request waits for parameters of a kind that nobody has followed before. */
const SYNC_MS = 1000;

/** What is wrong with a policy or a binding itself. */
export interface Misconfigured {
  problem: string;
}

/** The kind that a policy's parameters have; undefined for a policy without. */
export function paramKindOf(paramKind: ParamKind | undefined, kinds: KindRegistry): Kind | Misconfigured | undefined {
  if (!paramKind) return undefined;
  const { apiVersion = '', kind = '' } = paramKind;
  const [version = '', group = ''] = apiVersion.split('/').reverse();
  const found = kinds.byKind(group, version, kind);
  if (found?.verbs.includes('list')) return found;
  return { problem: `failed to find resource referenced by paramKind: '${group}/${version}, Kind=${kind}'` };
}

type Services = Pick<AdmissionServices, 'informers' | 'clock'>;

/**
 * One null where the binding names none: the policy is evaluated once, without. Empty: it is not evaluated, because there
 * is no such object and the binding allows that.
 */
export async function collectParams(
  { kind, ref }: { kind: Kind | undefined; ref: ParamRef | undefined },
  request: AdmissionRequest,
  services: Services,
): Promise<readonly (KubeObject | null)[] | Misconfigured> {
  if (!kind || !ref) return [null];
  const namespace = namespaceOf(kind, ref, request);
  if (typeof namespace === 'object') return namespace;
  const informer = services.informers.for(kind);
  if (!(await hasSyncedWithin(informer, SYNC_MS, services.clock)))
    return {
      problem: `paramKind kind \`&ParamKind{APIVersion:${apiVersionOf(kind)},Kind:${kind.kind},}\` not yet synced to use for admission`,
    };
  const found = paramsIn(informer, ref, namespace);
  if (found.length === 0 && ref.parameterNotFoundAction === 'Deny')
    return { problem: 'no params found for policy binding with `Deny` parameterNotFoundAction' };
  return found.map((param) => ({ ...param, apiVersion: apiVersionOf(kind), kind: kind.kind }));
}

/** undefined for a kind of the cluster. */
function namespaceOf(
  { scope }: Kind,
  { namespace }: ParamRef,
  request: AdmissionRequest,
): string | undefined | Misconfigured {
  if (scope === 'Cluster')
    return namespace
      ? { problem: 'paramRef.namespace must not be provided for a cluster-scoped `paramKind`' }
      : undefined;
  return (
    namespace ||
    request.namespace || {
      problem: 'cannot use namespaced paramRef in policy binding that matches cluster-scoped resources',
    }
  );
}

function paramsIn(
  informer: Informer<KubeObject>,
  { name, selector }: ParamRef,
  namespace: string | undefined,
): readonly KubeObject[] {
  if (name) {
    const found = informer.get(namespace === undefined ? name : `${namespace}/${name}`);
    return found ? [found] : [];
  }
  const labels = selectorFrom(selector);
  const all = namespace === undefined ? informer.list() : informer.inNamespace(namespace);
  return all
    .filter(({ metadata }) => matchesLabels(labels, metadata.labels))
    .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
}
