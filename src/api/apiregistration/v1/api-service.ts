/** APIService: who serves a group and version. Source: API reference, apiregistration.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, KEEP_ALL_METADATA, nameColumn } from '#api/machinery/define-kind.ts';
import { fromBase64 } from '#api/machinery/base64.ts';
import { type FieldError, invalidValue, notSupportedValue, requiredValue } from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { follows } from '#api/machinery/field-rules.ts';
import { dns1035Label, dns1123Subdomain, pathSegment, portNumber } from '#api/machinery/names.ts';

export type APIService = schema.APIService;

const MAX_GROUP_PRIORITY = 20_000;
const MAX_VERSION_PRIORITY = 1000;

export const APIService = defineKind<schema.APIService>({
  group: 'apiregistration.k8s.io',
  version: 'v1',
  kind: 'APIService',
  plural: 'apiservices',
  scope: 'Cluster',
  categories: ['api-extensions'],
  storagePrefix: 'apiregistration.k8s.io/apiservices',
  subresources: ['status'],
  statusKeeps: KEEP_ALL_METADATA,
  anyFinalizer: true,
  name: pathSegment,
  defaults: ({ spec = {}, ...service }) =>
    ({
      ...service,
      spec: { ...spec, ...(spec.service && { service: { ...spec.service, port: spec.service.port ?? 443 } }) },
    }) as schema.APIService,
  // A group that the server has itself is there at once.
  prepareForCreate: (service) => {
    if (service.spec.service) return service;
    const condition = {
      type: 'Available',
      status: 'True',
      lastTransitionTime: service.metadata.creationTimestamp,
      reason: 'Local',
      message: 'Local APIServices are always available',
    };
    return { ...service, status: { conditions: [condition] } };
  },
  validate: (service, at) => validateService(service, at),
  validateStatusUpdate: ({ next, at }) =>
    (next.status?.conditions ?? []).flatMap(({ status }, index) =>
      CONDITION_STATUSES.includes(status)
        ? []
        : [notSupportedValue(at.status.conditions[index]!.status, status, CONDITION_STATUSES)],
    ),
  columns: [
    nameColumn(),
    column('Service', 'string', ({ spec: { service } }) =>
      service ? `${service.namespace}/${service.name}` : 'Local',
    ),
    column('Available', 'string', ({ status }) => {
      const available = status?.conditions?.find(({ type }) => type === 'Available');
      if (!available) return 'Unknown';
      return available.status === 'True' ? 'True' : `${available.status} (${available.reason ?? ''})`;
    }),
    ageColumn(),
  ],
  allowUnconditionalUpdate: false,
});

const CONDITION_STATUSES = ['True', 'False', 'Unknown'];

function validateService(
  { metadata, spec }: schema.APIService,
  { metadata: meta, spec: at }: At<schema.APIService>,
): FieldError[] {
  const { group = '', version = '', service, caBundle, insecureSkipTLSVerify } = spec;
  const wanted = `${version}.${group}`;
  const errors: FieldError[] = [];
  if (pathSegment(metadata.name ?? '').length === 0 && metadata.name !== wanted)
    errors.push(
      invalidValue(meta.name, metadata.name, `must be \`spec.version+"."+spec.group\`: ${JSON.stringify(wanted)}`),
    );
  if (!group && version !== 'v1')
    errors.push(requiredValue(at.group, 'only v1 may have an empty group and it better be legacy kube'));
  if (group) errors.push(...follows(at.group, group, dns1123Subdomain));
  errors.push(...follows(at.version, version, dns1035Label));
  errors.push(...validatePriority(at.groupPriorityMinimum, spec.groupPriorityMinimum, MAX_GROUP_PRIORITY));
  errors.push(...validatePriority(at.versionPriority, spec.versionPriority, MAX_VERSION_PRIORITY));
  if (!service) {
    const bytes = caBundle ? fromBase64(caBundle) : undefined;
    const length = bytes instanceof Uint8Array ? bytes.length : 0;
    if (caBundle)
      errors.push(invalidValue(at.caBundle, `${length} bytes`, 'local APIServices may not have a caBundle'));
    if (insecureSkipTLSVerify)
      errors.push(invalidValue(at.insecureSkipTLSVerify, true, 'local APIServices may not have insecureSkipTLSVerify'));
    return errors;
  }
  const { namespace, name, port = 0 } = service;
  return [
    ...errors,
    ...(namespace ? [] : [requiredValue(at.service.namespace)]),
    ...(name ? [] : [requiredValue(at.service.name)]),
    ...portNumber(port).map((text) => invalidValue(at.service.port, port, `port is not valid: ${text}`)),
    ...(insecureSkipTLSVerify && caBundle
      ? [invalidValue(at.insecureSkipTLSVerify, true, 'may not be true if caBundle is present')]
      : []),
  ];
}

const validatePriority = (at: At<number>, value = 0, max: number): FieldError[] =>
  value >= 1 && value <= max ? [] : [invalidValue(at, value, `must be positive and less than ${max}`)];
