/** ResourceSlice: a part of the devices that a driver has. Source: API reference, resource.k8s.io/v1. */

import { validateNodeSelector } from '#api/core/v1/pod/scheduling.ts';
import { validateDriverName } from '#api/core/v1/pod/volume-sources.ts';
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn } from '#api/machinery/define-kind.ts';
import { type FieldError, invalidValue, requiredValue } from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { follows, isImmutable } from '#api/machinery/field-rules.ts';
import { dns1123Subdomain } from '#api/machinery/names.ts';
import { validateList, validatePoolName } from './device-names.ts';
import { validateCounterSet, validateDevice } from './device-rules.ts';

export type ResourceSlice = schema.ResourceSlice;

const MAX_DEVICES = 128;
/** Where some device has taints, or uses up counters. */
const MAX_DEMANDING_DEVICES = 64;
const MAX_COUNTER_SETS = 8;
const ONE_PLACE = 'exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required';

export const ResourceSlice = defineKind<schema.ResourceSlice>({
  group: 'resource.k8s.io',
  version: 'v1',
  kind: 'ResourceSlice',
  plural: 'resourceslices',
  scope: 'Cluster',
  generationOf: ({ spec }) => spec,
  defaults: (slice) => ({ ...slice, spec: { ...slice.spec, pool: slice.spec?.pool ?? {} } }) as schema.ResourceSlice,
  prepareForCreate: withoutDisabledFields,
  prepareForUpdate: withoutDisabledFields,
  validate: (slice, at) => validateSpec(slice.spec, undefined, at.spec),
  updateHasOwnRules: true,
  validateUpdate: ({ next, current, at }) => validateSpec(next.spec, current.spec, at.spec),
  warnings: ({ spec: { driver = '' } }) =>
    driver === driver.toLowerCase()
      ? []
      : [`spec.driver: driver names should be lowercase; ${JSON.stringify(driver)} contains uppercase characters`],
  columns: [
    nameColumn(),
    column('Node', 'string', ({ spec }) => spec.nodeName ?? ''),
    column('Driver', 'string', ({ spec }) => spec.driver),
    column('Pool', 'string', ({ spec }) => spec.pool.name),
    ageColumn(),
  ],
  selectableFields: { 'spec.nodeName': ({ spec }) => spec.nodeName ?? '', 'spec.driver': ({ spec }) => spec.driver },
  unselectableField: (field) => `field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: ${field}`,
});

type Spec = schema.ResourceSliceSpec;

function validateSpec(spec: Spec, before: Spec | undefined, at: At<Spec>): FieldError[] {
  const { devices, sharedCounters } = spec;
  const isDemanding = devices?.some(({ taints, consumesCounters }) => taints?.length || consumesCounters?.length);
  const errors = [
    ...validateDriverName(spec.driver, at.driver),
    ...validatePool(spec.pool, at.pool),
    ...(before ? validateKept(spec, before, at) : []),
    ...validatePlace(spec, at),
  ];
  if (sharedCounters !== undefined && devices !== undefined)
    errors.push(invalidValue(at, '', 'only one of `sharedCounters` or `devices` is allowed'));
  const known = new Map(before?.devices?.map((device) => [device.name, device]));
  errors.push(
    ...validateList(devices, at.devices, {
      max: isDemanding ? MAX_DEMANDING_DEVICES : MAX_DEVICES,
      item: (device, here) =>
        validateDevice(device, here, {
          before: known.get(device.name),
          hasOwnNodes: spec.perDeviceNodeSelection ?? false,
        }),
      keyOf: ({ name }) => name ?? '',
    }),
    ...validateList(sharedCounters, at.sharedCounters, {
      max: MAX_COUNTER_SETS,
      item: validateCounterSet,
      keyOf: ({ name }) => name ?? '',
    }),
  );
  return errors;
}

function validatePool(pool: schema.ResourcePool, at: At<schema.ResourcePool>): FieldError[] {
  const { name, resourceSliceCount = 0, generation = 0 } = pool;
  return [
    ...validatePoolName(name, at.name),
    ...(resourceSliceCount > 0
      ? []
      : [invalidValue(at.resourceSliceCount, resourceSliceCount, 'must be greater than zero')]),
    ...(generation >= 0 ? [] : [invalidValue(at.generation, generation, 'must be greater than or equal to zero')]),
  ];
}

const validateKept = (next: Spec, before: Spec, at: At<Spec>): FieldError[] => [
  ...isImmutable(at.pool.name, next.pool.name ?? '', before.pool.name ?? ''),
  ...isImmutable(at.driver, next.driver ?? '', before.driver ?? ''),
  ...isImmutable(at.nodeName, next.nodeName ?? null, before.nodeName ?? null),
];

function validatePlace(spec: Spec, at: At<Spec>): FieldError[] {
  const { nodeName, nodeSelector } = spec;
  const errors: FieldError[] = [];
  const places: string[] = [];
  if (nodeName === '') errors.push(invalidValue(at.nodeName, '', 'must be either unset or set to a non-empty string'));
  else if (nodeName !== undefined) {
    places.push('`nodeName`');
    errors.push(...follows(at.nodeName, nodeName, dns1123Subdomain));
  }
  if (nodeSelector) {
    places.push('`nodeSelector`');
    const terms = nodeSelector.nodeSelectorTerms ?? null;
    errors.push(...validateNodeSelector(nodeSelector, at.nodeSelector));
    if (terms?.length !== 1)
      errors.push(invalidValue(at.nodeSelector.nodeSelectorTerms, terms, 'must have exactly one node selector term'));
  }
  for (const field of ['allNodes', 'perDeviceNodeSelection'] as const) {
    if (spec[field]) places.push(`\`${field}\``);
    else if (spec[field] === false) errors.push(invalidValue(at[field], false, 'must be either unset or set to true'));
  }
  if (places.length === 0) errors.push(requiredValue(at, ONE_PLACE));
  if (places.length > 1)
    errors.push(invalidValue(at, `{${places.join(', ')}}`, `${ONE_PLACE}, but multiple fields are set`));
  return errors;
}

/** Of gates that are off: attributes that are lists, and resources of nodes behind devices. */
function withoutDisabledFields(slice: schema.ResourceSlice): schema.ResourceSlice {
  const { devices } = slice.spec;
  const isDisabled = ({ attributes, nodeAllocatableResourceMappings }: schema.Device) =>
    nodeAllocatableResourceMappings !== undefined ||
    Object.values(attributes ?? {}).some(({ ints, bools, strings, versions }) => ints ?? bools ?? strings ?? versions);
  if (!devices?.some(isDisabled)) return slice;
  return { ...slice, spec: { ...slice.spec, devices: devices.map(withoutDisabled) } };
}

function withoutDisabled({ nodeAllocatableResourceMappings: _, attributes, ...device }: schema.Device): schema.Device {
  if (!attributes) return device;
  const enabled = Object.entries(attributes).map(
    ([name, { ints: _i, bools: _b, strings: _s, versions: _v, ...attribute }]) => [name, attribute] as const,
  );
  return { ...device, attributes: Object.fromEntries(enabled) };
}
