/** APIService: who serves a group and version. Source: API reference, apiregistration.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, KEEP_ALL_METADATA, nameColumn } from '#api/machinery/define-kind.ts';
import { type FieldError, forbiddenField, invalidValue, requiredValue } from '#api/machinery/field-error.ts';
import { isBetween } from '#api/machinery/field-rules.ts';
import { pathSegment } from '#api/machinery/names.ts';

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
  validate: ({ metadata, spec }, { metadata: meta, spec: at }) => {
    const { group = '', version = '', service } = spec;
    const errors: FieldError[] = [];
    const wanted = `${version}.${group}`;
    if (metadata.name !== wanted && !(group === '' && metadata.name === `${version}.`))
      errors.push(
        invalidValue(meta.name, metadata.name, `must be \`spec.version+"."+spec.group\`: ${JSON.stringify(wanted)}`),
      );
    if (!version) errors.push(requiredValue(at.version));
    const positive = (value: number, max: number) => value >= 1 && value <= max;
    if (!positive(spec.groupPriorityMinimum, MAX_GROUP_PRIORITY))
      errors.push(
        invalidValue(
          at.groupPriorityMinimum,
          spec.groupPriorityMinimum ?? 0,
          `must be positive and less than ${MAX_GROUP_PRIORITY}`,
        ),
      );
    if (!positive(spec.versionPriority, MAX_VERSION_PRIORITY))
      errors.push(
        invalidValue(
          at.versionPriority,
          spec.versionPriority ?? 0,
          `must be positive and less than ${MAX_VERSION_PRIORITY}`,
        ),
      );
    if (!service) {
      if (spec.caBundle)
        errors.push(
          invalidValue(at.caBundle, `${spec.caBundle.length} bytes`, 'local APIServices may not have a caBundle'),
        );
      if (spec.insecureSkipTLSVerify)
        errors.push(
          invalidValue(at.insecureSkipTLSVerify, true, 'local APIServices may not have insecureSkipTLSVerify'),
        );
      return errors;
    }
    if (!service.namespace) errors.push(requiredValue(at.service.namespace));
    if (!service.name) errors.push(requiredValue(at.service.name));
    errors.push(...isBetween(at.service.port, service.port, [1, 65535]));
    if (spec.insecureSkipTLSVerify && spec.caBundle)
      errors.push(forbiddenField(at.insecureSkipTLSVerify, 'may not be true if caBundle is present'));
    return errors;
  },
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
