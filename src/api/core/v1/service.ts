/** Service: one name and address for a changing set of pods. Source: API reference, core/v1. Addresses are given out by the API server. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn, wideColumn } from '#api/machinery/define-kind.ts';
import { formatLabels } from '#api/machinery/label-selector.ts';
import { dns1123Label } from '#api/machinery/names.ts';
import { isExternal, withAllocatedValues, withoutFieldsOfOtherType } from './service/type-change.ts';
import { validateService, validateServiceStatus, validateServiceUpdate } from './service/validation.ts';
import { warningsOfService } from './service/warnings.ts';

export type Service = schema.Service;

const SESSION_SECONDS = 3 * 60 * 60;

export const Service = defineKind<schema.Service>({
  group: '',
  version: 'v1',
  kind: 'Service',
  plural: 'services',
  scope: 'Namespaced',
  shortNames: ['svc'],
  categories: ['all'],
  storagePrefix: 'services/specs',
  subresources: [
    {
      name: 'proxy',
      serves: { group: '', version: 'v1', kind: 'ServiceProxyOptions' },
      verbs: ['create', 'delete', 'get', 'patch', 'update'],
    },
    'status',
  ],
  name: dns1123Label,
  initialStatus: { loadBalancer: {} },

  defaults: (service) => withIpModes({ ...(service as schema.Service), spec: defaultSpec(service.spec ?? {}) }),
  prepareForUpdate: (next, current) => withoutFieldsOfOtherType(withAllocatedValues(next, current), current),
  validate: (service, at) => validateService(service, at),
  validateUpdate: validateServiceUpdate,
  updateHasOwnRules: true,
  validateStatusUpdate: validateServiceStatus,
  warnings: warningsOfService,

  columns: [
    nameColumn(),
    column('Type', 'string', ({ spec }) => spec.type),
    column('Cluster-IP', 'string', ({ spec }) => spec.clusterIPs?.[0] || spec.clusterIP || '<none>'),
    column('External-IP', 'string', externalIpsOf),
    column('Port(s)', 'string', ({ spec }) => portsOf(spec.ports ?? [])),
    ageColumn(),
    wideColumn('Selector', 'string', ({ spec }) => formatLabels(spec.selector)),
  ],
  selectableFields: {
    'spec.clusterIP': ({ spec }) => spec.clusterIP ?? '',
    'spec.type': ({ spec }) => spec.type,
  },
  allowCreateOnUpdate: true,
});

/** An address of a load balancer is one that nodes may answer for, unless told. Source: KEP-1860. */
function withIpModes(service: schema.Service): schema.Service {
  const ingress = service.status?.loadBalancer?.ingress;
  if (service.spec.type !== 'LoadBalancer' || !ingress?.some(({ ip, ipMode }) => ip && ipMode === undefined))
    return service;
  const told = ingress.map((one) => (one.ip && one.ipMode === undefined ? { ...one, ipMode: 'VIP' as const } : one));
  return {
    ...service,
    status: { ...service.status, loadBalancer: { ...service.status?.loadBalancer, ingress: told } },
  };
}

function defaultSpec(given: schema.Submitted<schema.ServiceSpec>): schema.ServiceSpec {
  const type = given.type || 'ClusterIP';
  const sessionAffinity = given.sessionAffinity || 'None';
  const external = isExternal({ ...given, type } as schema.ServiceSpec);
  const hasInside = type === 'ClusterIP' || type === 'NodePort' || type === 'LoadBalancer';
  const { sessionAffinityConfig, ...rest } = given;
  return {
    ...rest,
    type,
    sessionAffinity,
    ...(sessionAffinity === 'ClientIP' && {
      sessionAffinityConfig: {
        clientIP: { timeoutSeconds: sessionAffinityConfig?.clientIP?.timeoutSeconds ?? SESSION_SECONDS },
      },
    }),
    ...(given.ports && {
      ports: given.ports.map((port) => ({
        ...port,
        protocol: port.protocol || 'TCP',
        targetPort: port.targetPort || port.port || 0,
      })),
    }),
    ...(external && { externalTrafficPolicy: given.externalTrafficPolicy || 'Cluster' }),
    ...(hasInside && { internalTrafficPolicy: given.internalTrafficPolicy ?? 'Cluster' }),
    ...(type === 'LoadBalancer' && { allocateLoadBalancerNodePorts: given.allocateLoadBalancerNodePorts ?? true }),
  } as schema.ServiceSpec;
}

function externalIpsOf({ spec, status }: schema.Service): string {
  const own = spec.externalIPs ?? [];
  switch (spec.type) {
    case 'ExternalName':
      return spec.externalName ?? '';
    case 'LoadBalancer': {
      const given = (status?.loadBalancer?.ingress ?? [])
        .map(({ ip, hostname }) => ip || hostname || '')
        .filter(Boolean);
      return [...given, ...own].join(',') || '<pending>';
    }
    default:
      return own.join(',') || '<none>';
  }
}

const portsOf = (ports: readonly schema.ServicePort[]): string =>
  ports
    .map(({ port, nodePort, protocol }) => (nodePort ? `${port}:${nodePort}/${protocol}` : `${port}/${protocol}`))
    .join(',') || '<none>';
