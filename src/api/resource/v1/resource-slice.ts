/** ResourceSlice: a part of the devices that a driver has. Source: API reference, resource.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn } from '#api/machinery/define-kind.ts';
import { type FieldError, forbiddenField, requiredValue, tooMany } from '#api/machinery/field-error.ts';
import { follows, isAbove, isImmutable } from '#api/machinery/field-rules.ts';
import { dns1123Subdomain } from '#api/machinery/names.ts';

export type ResourceSlice = schema.ResourceSlice;

const MAX_DEVICES = 128;
const PLACES = ['nodeName', 'nodeSelector', 'allNodes', 'perDeviceNodeSelection'] as const;

export const ResourceSlice = defineKind<schema.ResourceSlice>({
  group: 'resource.k8s.io',
  version: 'v1',
  kind: 'ResourceSlice',
  plural: 'resourceslices',
  scope: 'Cluster',
  generationOf: ({ spec }) => spec,
  defaults: (slice) => ({ ...slice, spec: { ...slice.spec, pool: slice.spec?.pool ?? {} } }) as schema.ResourceSlice,
  validate: ({ spec }, { spec: at }) => {
    const places = PLACES.filter((place) => spec[place]);
    const errors: FieldError[] = spec.driver
      ? follows(at.driver, spec.driver, dns1123Subdomain)
      : [requiredValue(at.driver)];
    if (!spec.pool.name) errors.push(requiredValue(at.pool.name));
    errors.push(...isAbove(at.pool.resourceSliceCount, spec.pool.resourceSliceCount ?? 0, 0));
    const rule = 'exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required';
    if (places.length === 0) errors.push(requiredValue(at, rule));
    if (places.length > 1) errors.push(forbiddenField(at, `${rule}, but multiple fields are set`));
    const devices = spec.devices?.length ?? 0;
    if (devices > MAX_DEVICES) errors.push(tooMany(at.devices, devices, MAX_DEVICES));
    return errors;
  },
  validateUpdate: ({ next, current, at: { spec: at } }) => [
    ...isImmutable(at.pool.name, next.spec.pool.name, current.spec.pool.name),
    ...isImmutable(at.driver, next.spec.driver, current.spec.driver),
    ...isImmutable(at.nodeName, next.spec.nodeName, current.spec.nodeName),
  ],
  columns: [
    nameColumn(),
    column('Node', 'string', ({ spec }) => spec.nodeName ?? ''),
    column('Driver', 'string', ({ spec }) => spec.driver),
    column('Pool', 'string', ({ spec }) => spec.pool.name),
    ageColumn(),
  ],
  selectableFields: { 'spec.nodeName': ({ spec }) => spec.nodeName ?? '', 'spec.driver': ({ spec }) => spec.driver },
});
