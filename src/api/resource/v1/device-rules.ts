/** What a device of a slice may be. Source: API reference, resource.k8s.io/v1; KEP-4381, 4815, 5007, 5055, 5075. */

import { validateNodeSelector } from '#api/core/v1/pod/scheduling.ts';
import type {
  CounterSet,
  Device,
  DeviceAttribute,
  DeviceCapacity,
  DeviceCounterConsumption,
} from '#api/generated/schema.ts';
import { isEqual } from '#api/machinery/equal.ts';
import {
  type FieldError,
  forbiddenField,
  invalidValue,
  requiredValue,
  tooLong,
  tooMany,
} from '#api/machinery/field-error.ts';
import { type At, keyed, type Path } from '#api/machinery/field-path.ts';
import { follows } from '#api/machinery/field-rules.ts';
import { dns1123Label, dns1123Subdomain } from '#api/machinery/names.ts';
import { byteLength } from '#api/machinery/object-meta.ts';
import { validateRequestPolicy } from './capacity-policy.ts';
import { validateBindingConditions, validateList, validateQualifiedName } from './device-names.ts';
import { validateDeviceTaint } from './device-taints.ts';

const MAX_ATTRIBUTES_AND_CAPACITIES = 32;
const MAX_ATTRIBUTE_VALUE = 64;
const MAX_TAINTS = 16;
const MAX_CONSUMPTIONS = 2;
const MAX_COUNTERS = 32;
/** Of a domain, a slash and an identifier: keys that are longer are shown without their middle. */
const MAX_SHOWN_KEY = 63 + 1 + 32;
const NUMBER = '(0|[1-9]\\d*)';
const PRE_RELEASE = '(0|[1-9]\\d*|\\d*[a-zA-Z-][0-9a-zA-Z-]*)';
const SEMVER = new RegExp(
  `^${NUMBER}\\.${NUMBER}\\.${NUMBER}(-${PRE_RELEASE}(\\.${PRE_RELEASE})*)?(\\+[0-9a-zA-Z-]+(\\.[0-9a-zA-Z-]+)*)?$`,
);

/** `before`: the device of this name, where there was one. */
export function validateDevice(
  device: Device,
  at: At<Device>,
  { before, hasOwnNodes }: { before: Device | undefined; hasOwnNodes: boolean },
): FieldError[] {
  const { attributes = {}, capacity = {}, taints } = device;
  const count = Object.keys(attributes).length + Object.keys(capacity).length;
  const tooManyText = `the total number of attributes and capacities must not exceed ${MAX_ATTRIBUTES_AND_CAPACITIES}`;
  return [
    ...follows(at.name, device.name ?? '', dns1123Label),
    ...(count > MAX_ATTRIBUTES_AND_CAPACITIES ? [invalidValue(at, count, tooManyText)] : []),
    ...validateMap(attributes, at.attributes, { key: validateQualifiedName, value: validateAttribute }),
    ...validateMap(capacity, at.capacity, {
      key: validateQualifiedName,
      value: (one, here) => validateCapacity(one, here, device.allowMultipleAllocations ?? false),
    }),
    ...(before && isEqual(before.taints, taints)
      ? []
      : validateList(taints, at.taints, { max: MAX_TAINTS, item: validateDeviceTaint })),
    ...validateList(device.consumesCounters, at.consumesCounters, {
      max: MAX_CONSUMPTIONS,
      item: validateConsumption,
      keyOf: ({ counterSet }) => counterSet ?? '',
    }),
    ...(hasOwnNodes ? validateOwnNodes(device, at) : validateNoNodes(device, at)),
    ...validateBindingConditions(device, at),
  ];
}

/** Too many are told alone. */
function validateMap<T>(
  map: Readonly<Record<string, T>>,
  at: At<Record<string, T>>,
  rules: { max?: number; key: (key: string, at: Path) => FieldError[]; value?: (value: T, at: At<T>) => FieldError[] },
): FieldError[] {
  const entries = Object.entries(map);
  if (rules.max !== undefined && entries.length > rules.max) return [tooMany(at, entries.length, rules.max)];
  return entries.flatMap(([key, value]) => [
    ...rules.key(key, at),
    ...(rules.value?.(value, keyed(at, withoutMiddle(key)) as At<T>) ?? []),
  ]);
}

function withoutMiddle(key: string): string {
  if (key.length <= MAX_SHOWN_KEY) return key;
  const left = MAX_SHOWN_KEY - 3;
  return `${key.slice(0, Math.floor((left + 1) / 2))}...${key.slice(key.length - Math.floor(left / 2))}`;
}

function validateAttribute(attribute: DeviceAttribute, at: At<DeviceAttribute>): FieldError[] {
  const { string, version } = attribute;
  const given = [attribute.bool, attribute.int, string, version].filter((value) => value !== undefined).length;
  return [
    ...(string !== undefined && byteLength(string) > MAX_ATTRIBUTE_VALUE
      ? [tooLong(at.string, MAX_ATTRIBUTE_VALUE)]
      : []),
    ...(version === undefined ? [] : validateVersion(version, at.version)),
    ...(given === 1
      ? []
      : [invalidValue(at, given === 0 ? '' : shown(attribute), 'exactly one value must be specified')]),
  ];
}

/** As upstream prints it: by its own names. */
const shown = ({ int, bool, string, version }: DeviceAttribute) => ({
  IntValue: int ?? null,
  BoolValue: bool ?? null,
  StringValue: string ?? null,
  VersionValue: version ?? null,
  IntValues: null,
  BoolValues: null,
  StringValues: null,
  VersionValues: null,
});

const validateVersion = (version: string, at: Path): FieldError[] => [
  ...(SEMVER.test(version)
    ? []
    : [invalidValue(at, version, 'must be a string compatible with semver.org spec 2.0.0')]),
  ...(byteLength(version) > MAX_ATTRIBUTE_VALUE ? [tooLong(at, MAX_ATTRIBUTE_VALUE)] : []),
];

function validateCapacity(
  { value, requestPolicy }: DeviceCapacity,
  at: At<DeviceCapacity>,
  isShared: boolean,
): FieldError[] {
  if (!requestPolicy) return [];
  if (isShared) return validateRequestPolicy(value, requestPolicy, at.requestPolicy);
  return [forbiddenField(at.requestPolicy, 'allowMultipleAllocations must be true')];
}

const validateConsumption = (
  { counterSet, counters = {} }: DeviceCounterConsumption,
  at: At<DeviceCounterConsumption>,
): FieldError[] => [
  ...(counterSet ? follows(at.counterSet, counterSet, dns1123Label) : [requiredValue(at.counterSet)]),
  ...validateCounters(counters, at.counters),
];

export const validateCounterSet = ({ name, counters = {} }: CounterSet, at: At<CounterSet>): FieldError[] => [
  ...(name ? follows(at.name, name, dns1123Label) : [requiredValue(at.name)]),
  ...validateCounters(counters, at.counters),
];

const validateCounters = <T>(counters: Readonly<Record<string, T>>, at: At<Record<string, T>>): FieldError[] =>
  Object.keys(counters).length === 0
    ? [requiredValue(at)]
    : validateMap(counters, at, { max: MAX_COUNTERS, key: (key, here) => follows(here, key, dns1123Label) });

const ONE_PLACE =
  'exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to true in the ResourceSlice spec';

function validateOwnNodes({ nodeName, nodeSelector, allNodes }: Device, at: At<Device>): FieldError[] {
  const errors: FieldError[] = [];
  const places: string[] = [];
  if (nodeName === '') errors.push(invalidValue(at.nodeName, nodeName, 'must not be empty'));
  else if (nodeName !== undefined) {
    places.push('`nodeName`');
    errors.push(...follows(at.nodeName, nodeName, dns1123Subdomain));
  }
  if (nodeSelector) {
    places.push('`nodeSelector`');
    errors.push(...validateNodeSelector(nodeSelector, at.nodeSelector));
  }
  if (allNodes) places.push('`allNodes`');
  else if (allNodes === false) errors.push(invalidValue(at.allNodes, false, 'must be either unset or set to true'));
  if (places.length === 0) errors.push(requiredValue(at, ONE_PLACE));
  if (places.length > 1) errors.push(invalidValue(at, `{${places.join(', ')}}`, ONE_PLACE));
  return errors;
}

function validateNoNodes({ nodeName, nodeSelector, allNodes }: Device, at: At<Device>): FieldError[] {
  if (nodeName === undefined && nodeSelector === undefined && allNodes === undefined) return [];
  const text =
    '`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the ResourceSlice spec';
  return [invalidValue(at, null, text)];
}
