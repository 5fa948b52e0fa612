/** What a route's backend leads to, or why nowhere. Source: Gateway API reference, BackendObjectReference, RouteConditionReason. */
import type { Service } from '#api/generated/schema.ts';
import { mayRefer, type ReferenceGrant } from './reference-grant.ts';
import type { AnyRoute, BackendReference } from './route.ts';
import { GROUP } from './schema-parts.ts';

export type BackendProblem = 'InvalidKind' | 'RefNotPermitted' | 'BackendNotFound' | 'UnsupportedProtocol';

export type ResolvedBackend =
  | { isResolved: true; namespace: string; name: string; port: number; protocol: string | undefined }
  | { isResolved: false; reason: BackendProblem; message: string };

export interface BackendsAround {
  grants: readonly ReferenceGrant[];
  /** By `namespace/name`. */
  service(key: string): Service | undefined;
}

/** Those that an endpoint can be spoken with, by the application protocol of a Service's port (KEP-3726). */
const PROTOCOLS: ReadonlyMap<string, string> = new Map([
  ['http', 'http'],
  ['kubernetes.io/ws', 'http'],
  ['https', 'https'],
  ['kubernetes.io/wss', 'https'],
  ['kubernetes.io/h2c', 'grpc'],
  ['grpc', 'grpc'],
]);

export function resolvedBackend(
  route: AnyRoute,
  ref: BackendReference,
  { grants, service }: BackendsAround,
): ResolvedBackend {
  const { group = '', kind = 'Service', name, port } = ref;
  const own = route.metadata.namespace ?? '';
  const namespace = ref.namespace ?? own;
  if (group !== '' || kind !== 'Service')
    return problem('InvalidKind', `The backend kind ${group}/${kind} is not known`);
  if (!mayRefer({ group: GROUP, kind: route.kind, namespace: own }, { group, kind, namespace, name }, grants))
    return problem('RefNotPermitted', `No ReferenceGrant of ${namespace} permits the reference to the Service ${name}`);
  const found = service(`${namespace}/${name}`);
  if (!found) return problem('BackendNotFound', `The Service ${namespace}/${name} does not exist`);
  const servicePort = found.spec.ports?.find((one) => one.port === port);
  if (port === undefined || !servicePort)
    return problem('BackendNotFound', `The Service ${namespace}/${name} has no port ${port ?? ''}`.trimEnd());
  const { appProtocol } = servicePort;
  const protocol = appProtocol === undefined ? undefined : PROTOCOLS.get(appProtocol);
  if (appProtocol?.startsWith('kubernetes.io/') && !protocol)
    return problem(
      'UnsupportedProtocol',
      `The protocol ${appProtocol} of the Service ${namespace}/${name} is not known`,
    );
  return { isResolved: true, namespace, name, port, protocol };
}

const problem = (reason: BackendProblem, message: string): ResolvedBackend => ({ isResolved: false, reason, message });

/** Of all rules, those of filters included. */
export function referencesOf(route: AnyRoute): BackendReference[] {
  type Filters = { filters?: readonly { requestMirror?: { backendRef: BackendReference } }[] };
  const mirrored = ({ filters = [] }: Filters) =>
    filters.flatMap(({ requestMirror }) => (requestMirror ? [requestMirror.backendRef] : []));
  return (route.spec.rules ?? []).flatMap((rule) => [
    ...(rule.backendRefs ?? []),
    ...mirrored(rule as Filters),
    ...(rule.backendRefs ?? []).flatMap((ref) => mirrored(ref as Filters)),
  ]);
}
