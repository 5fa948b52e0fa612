/** What claims and their templates have in common. Source: API reference, resource.k8s.io/v1. */
import type {
  DeviceClaim,
  DeviceConstraint,
  DeviceRequest,
  DeviceSubRequest,
  ExactDeviceRequest,
  ResourceClaimSpec,
  Submitted,
} from '#api/generated/schema.ts';
import { type FieldError, invalidValue, notSupportedValue, requiredValue } from '#api/machinery/field-error.ts';
import type { At, Path } from '#api/machinery/field-path.ts';
import { follows } from '#api/machinery/field-rules.ts';
import { dns1123Label, dns1123Subdomain } from '#api/machinery/names.ts';
import { validateDeviceConfiguration, validateSelectors } from './device-configuration.ts';
import { validateFullyQualifiedName, validateList } from './device-names.ts';
import { validateDeviceToleration } from './device-taints.ts';

export const MAX_REQUESTS = 32;
const MAX_CONSTRAINTS = 32;
const MAX_CONFIG = 32;
const MAX_ALTERNATIVES = 8;

/** One device, unless all or a number are asked for. */
export const defaultClaimSpec = (spec: Submitted<ResourceClaimSpec> = {}): ResourceClaimSpec =>
  ({
    ...spec,
    devices: {
      ...spec.devices,
      ...(spec.devices?.requests && {
        requests: spec.devices.requests.map((request) => ({
          ...request,
          ...(request.exactly && { exactly: withCount(request.exactly) }),
          ...(request.firstAvailable && { firstAvailable: request.firstAvailable.map(withCount) }),
        })),
      }),
    },
  }) as ResourceClaimSpec;

interface Wanted {
  allocationMode?: string;
  count?: number;
  tolerations?: { operator?: string }[];
}

function withCount<T extends Wanted>(request: T): T {
  const allocationMode = request.allocationMode || 'ExactCount';
  return {
    ...request,
    allocationMode,
    ...(allocationMode === 'ExactCount' && { count: request.count || 1 }),
    ...(request.tolerations && {
      tolerations: request.tolerations.map((one) => ({ ...one, operator: one.operator || 'Equal' })),
    }),
  };
}

export function validateClaimSpec(
  { devices = {} }: ResourceClaimSpec,
  { devices: at }: At<ResourceClaimSpec>,
): FieldError[] {
  const names = requestNamesOf(devices);
  return [
    ...validateList(devices.requests, at.requests, {
      max: MAX_REQUESTS,
      item: validateRequest,
      keyOf: ({ name }) => name ?? '',
    }),
    ...validateList(devices.constraints, at.constraints, {
      max: MAX_CONSTRAINTS,
      item: (constraint, here) => validateConstraint(constraint, here, names),
    }),
    ...validateList(devices.config, at.config, {
      max: MAX_CONFIG,
      item: (config, here) => [
        ...validateRequestNames(config.requests, here.requests, names),
        ...validateDeviceConfiguration(config, here),
      ],
    }),
  ];
}

/** `request`, and `request/alternative` of those that have alternatives. */
export const requestNamesOf = ({ requests = [] }: DeviceClaim): ReadonlySet<string> =>
  new Set(
    requests.flatMap(({ name, firstAvailable = [] }) => [name, ...firstAvailable.map((one) => `${name}/${one.name}`)]),
  );

const UNKNOWN_REQUEST =
  "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'";

export function validateRequestName(name: string, at: Path, known: ReadonlySet<string>): FieldError[] {
  const segments = name.split('/');
  if (segments.length > 2) return [invalidValue(at, name, UNKNOWN_REQUEST)];
  return [
    ...segments.flatMap((segment) => follows(at, segment, dns1123Label)),
    ...(known.has(name) ? [] : [invalidValue(at, name, UNKNOWN_REQUEST)]),
  ];
}

export const validateRequestNames = (
  names: string[] | undefined,
  at: At<string[]>,
  known: ReadonlySet<string>,
): FieldError[] =>
  validateList(names, at, {
    max: MAX_REQUESTS,
    item: (name, here) => validateRequestName(name, here, known),
    keyOf: (name) => name,
  });

const ONE_OF_TWO = 'exactly one of `exactly` or `firstAvailable` is required';

function validateRequest(
  { name = '', exactly, firstAvailable = [] }: DeviceRequest,
  at: At<DeviceRequest>,
): FieldError[] {
  const errors = follows(at.name, name, dns1123Label);
  const hasAlternatives = firstAvailable.length > 0;
  if (exactly && hasAlternatives)
    return [...errors, invalidValue(at, null, `${ONE_OF_TWO}, but multiple fields are set`)];
  if (exactly) return [...errors, ...validateWanted(exactly, at.exactly)];
  if (!hasAlternatives) return [...errors, requiredValue(at, ONE_OF_TWO)];
  const alternatives = validateList(firstAvailable, at.firstAvailable, {
    max: MAX_ALTERNATIVES,
    item: (one, here) => [...follows(here.name, one.name ?? '', dns1123Label), ...validateWanted(one, here)],
    keyOf: (one) => one.name ?? '',
  });
  return [...errors, ...alternatives];
}

/** What and how many. */
function validateWanted(
  wanted: ExactDeviceRequest | DeviceSubRequest,
  at: At<ExactDeviceRequest> | At<DeviceSubRequest>,
): FieldError[] {
  const { deviceClassName, selectors, tolerations } = wanted;
  return [
    ...(deviceClassName
      ? follows(at.deviceClassName, deviceClassName, dns1123Subdomain)
      : [requiredValue(at.deviceClassName)]),
    ...validateSelectors(selectors, at.selectors),
    ...validateCount(wanted, at),
    ...validateList(tolerations, at.tolerations, { item: validateDeviceToleration }),
  ];
}

interface Counted {
  allocationMode: string;
  count?: number;
}

function validateCount({ allocationMode: mode, count = 0 }: Counted, at: At<Counted>): FieldError[] {
  if (mode === 'All')
    return count === 0 ? [] : [invalidValue(at.count, count, "must not be specified when allocationMode is 'All'")];
  if (mode === 'ExactCount') return count > 0 ? [] : [invalidValue(at.count, count, 'must be greater than zero')];
  return [notSupportedValue(at.allocationMode, mode, ['All', 'ExactCount'])];
}

function validateConstraint(
  { requests, matchAttribute, distinctAttribute }: DeviceConstraint,
  at: At<DeviceConstraint>,
  names: ReadonlySet<string>,
): FieldError[] {
  const errors = validateRequestNames(requests, at.requests, names);
  if (matchAttribute !== undefined)
    return [...errors, ...validateFullyQualifiedName(matchAttribute, at.matchAttribute)];
  if (distinctAttribute !== undefined)
    return [...errors, ...validateFullyQualifiedName(distinctAttribute, at.distinctAttribute)];
  const text = 'exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set';
  return [...errors, requiredValue(at, text)];
}
