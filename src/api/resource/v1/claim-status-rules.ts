/** What may be written into the status of a claim. Source: API reference, resource.k8s.io/v1. */

import { validateNodeSelector } from '#api/core/v1/pod/scheduling.ts';
import { validateDriverName } from '#api/core/v1/pod/volume-sources.ts';
import type {
  AllocatedDeviceStatus,
  AllocationResult,
  DeviceAllocationResult,
  DeviceRequestAllocationResult,
  NetworkDeviceData,
  ResourceClaimConsumerReference,
  ResourceClaimStatus,
  ResourceResourceClaim,
} from '#api/generated/schema.ts';
import { validateConditions } from '#api/machinery/condition-rules.ts';
import type { Change } from '#api/machinery/define-kind.ts';
import { type FieldError, forbiddenField, invalidValue, tooLong, tooMany } from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { follows, isImmutable, isRequired, mustBeOneOf } from '#api/machinery/field-rules.ts';
import { isInterfaceAddress } from '#api/machinery/ip-rules.ts';
import { dns1123Label } from '#api/machinery/names.ts';
import { byteLength } from '#api/machinery/object-meta.ts';
import { MAX_REQUESTS, requestNamesOf, validateRequestName, validateRequestNames } from './claim-rules.ts';
import { validateDeviceConfiguration, validateRawObject } from './device-configuration.ts';
import { validateBindingConditions, validateList, validatePoolName } from './device-names.ts';

const MAX_RESERVED_FOR = 256;
const MAX_CONFIG = 64;
const MAX_CONDITIONS = 8;
const MAX_IPS = 16;
const MAX_INTERFACE_NAME = 256;
const MAX_HARDWARE_ADDRESS = 128;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

interface Placed {
  driver: string;
  pool: string;
  device: string;
  shareID?: string;
}

/** `driver/pool/device`, and `/share` of one that several claims share. */
export const allocatedDeviceName = ({ driver, pool, device, shareID }: Placed): string =>
  [driver, pool, device, ...(shareID === undefined ? [] : [shareID])].join('/');

/** What is known of devices goes when they are no longer the claim's. */
export function withoutDeallocated(next: ResourceResourceClaim, current: ResourceResourceClaim): ResourceResourceClaim {
  const { status } = next;
  if (!status?.devices) return next;
  const namesOf = (claim: ResourceResourceClaim) =>
    new Set((claim.status?.allocation?.devices?.results ?? []).map(allocatedDeviceName));
  const [now, before] = [namesOf(next), namesOf(current)];
  const isGone = (device: AllocatedDeviceStatus) => {
    const name = allocatedDeviceName(device);
    return before.has(name) && !now.has(name);
  };
  const devices = status.devices.filter((device) => !isGone(device));
  if (devices.length === status.devices.length && devices.length > 0) return next;
  const { devices: _, ...others } = status;
  return { ...next, status: devices.length > 0 ? { ...others, devices } : others };
}

export function validateClaimStatus({
  next,
  current,
  at: { status: at },
}: Change<ResourceResourceClaim>): FieldError[] {
  const { status = {}, spec, metadata } = next;
  const before = current.status ?? {};
  const names = requestNamesOf(spec.devices ?? {});
  const allocated = new Set((status.allocation?.devices?.results ?? []).map(allocatedDeviceName));
  return [
    ...validateList(status.reservedFor, at.reservedFor, {
      max: MAX_RESERVED_FOR,
      item: validateConsumer,
      keyOf: ({ uid }) => uid ?? '',
    }),
    ...validateList(status.devices, at.devices, {
      item: (device, here) => validateDeviceStatus(device, here, allocated),
      keyOf: allocatedDeviceName,
    }),
    ...validateReservation(status, before, { at, isDeleted: metadata.deletionTimestamp !== undefined }),
    ...(before.allocation && status.allocation
      ? isImmutable(at.allocation, status.allocation, before.allocation)
      : status.allocation
        ? validateAllocation(status.allocation, at.allocation, names)
        : []),
  ];
}

const validateConsumer = (
  { resource, name, uid }: ResourceClaimConsumerReference,
  at: At<ResourceClaimConsumerReference>,
): FieldError[] => [...isRequired(at.resource, resource), ...isRequired(at.name, name), ...isRequired(at.uid, uid)];

/** Only of what is allocated, and of what is going away only by those that had it. */
function validateReservation(
  { reservedFor = [], allocation }: ResourceClaimStatus,
  before: ResourceClaimStatus,
  { at, isDeleted }: { at: At<ResourceClaimStatus>; isDeleted: boolean },
): FieldError[] {
  if (reservedFor.length === 0) return [];
  if (!allocation) return [forbiddenField(at.reservedFor, 'may not be specified when `allocated` is not set')];
  const had = new Set((before.reservedFor ?? []).map((one) => JSON.stringify(one)));
  if (!isDeleted || reservedFor.every((one) => had.has(JSON.stringify(one)))) return [];
  const text = 'new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set';
  return [forbiddenField(at.reservedFor, text)];
}

const validateAllocation = (
  { devices = {}, nodeSelector }: AllocationResult,
  at: At<AllocationResult>,
  names: ReadonlySet<string>,
): FieldError[] => [
  ...validateResults(devices, at.devices, names),
  ...(nodeSelector ? validateNodeSelector(nodeSelector, at.nodeSelector) : []),
];

const validateResults = (
  { results, config }: DeviceAllocationResult,
  at: At<DeviceAllocationResult>,
  names: ReadonlySet<string>,
): FieldError[] => [
  ...validateList(results, at.results, { max: MAX_REQUESTS, item: (one, here) => validateResult(one, here, names) }),
  ...validateList(config, at.config, {
    max: MAX_CONFIG,
    item: (one, here) => [
      ...mustBeOneOf(here.source, one.source, ['FromClaim', 'FromClass']),
      ...validateRequestNames(one.requests, here.requests, names),
      ...validateDeviceConfiguration(one, here),
    ],
  }),
];

const validateResult = (
  result: DeviceRequestAllocationResult,
  at: At<DeviceRequestAllocationResult>,
  names: ReadonlySet<string>,
): FieldError[] => [
  ...validateRequestName(result.request ?? '', at.request, names),
  ...validateDriverName(result.driver, at.driver),
  ...validatePoolName(result.pool, at.pool),
  ...follows(at.device, result.device ?? '', dns1123Label),
  ...validateBindingConditions(result, at),
  ...(result.shareID === undefined ? [] : validateUuid(result.shareID, at.shareID)),
];

/** Lower case, with its dashes; upstream tells other forms of a UUID from what is none. */
function validateUuid(uuid: string, at: At<string>): FieldError[] {
  if (UUID.test(uuid)) return [];
  const bare = uuid.replace(/^urn:uuid:/i, '');
  const isOtherForm = UUID.test(bare.replace(/^\{(.*)\}$/, '$1').toLowerCase()) || /^[0-9a-f]{32}$/i.test(uuid);
  const text = isOtherForm
    ? 'uid must be in RFC 4122 normalized form, `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase hexadecimal characters'
    : `error validating uid: ${[32, 36, 38, 45].includes(uuid.length) ? 'invalid UUID format' : `invalid UUID length: ${uuid.length}`}`;
  return [invalidValue(at, uuid, text)];
}

function validateDeviceStatus(
  device: AllocatedDeviceStatus,
  at: At<AllocatedDeviceStatus>,
  allocated: ReadonlySet<string>,
): FieldError[] {
  const { conditions = [], data } = device;
  const name = allocatedDeviceName(device);
  return [
    ...validateDriverName(device.driver, at.driver),
    ...validatePoolName(device.pool, at.pool),
    ...follows(at.device, device.device ?? '', dns1123Label),
    ...(device.shareID === undefined ? [] : validateUuid(device.shareID, at.shareID)),
    ...(allocated.has(name) ? [] : [invalidValue(at, shown(device), 'must be an allocated device in the claim')]),
    ...(conditions.length > MAX_CONDITIONS ? [tooMany(at.conditions, conditions.length, MAX_CONDITIONS)] : []),
    ...validateConditions(conditions, at.conditions),
    ...(data === undefined || data === null ? [] : validateRawObject(data, at.data as At<string>)),
    ...(device.networkData ? validateNetworkData(device.networkData, at.networkData) : []),
  ];
}

/** As upstream prints it: by its own names. */
const shown = ({ driver, pool, device, shareID = '' }: AllocatedDeviceStatus) => ({
  Driver: driver,
  Pool: pool,
  Device: device,
  ShareID: shareID,
});

const validateNetworkData = (
  { interfaceName = '', hardwareAddress = '', ips }: NetworkDeviceData,
  at: At<NetworkDeviceData>,
): FieldError[] => [
  ...(byteLength(interfaceName) > MAX_INTERFACE_NAME ? [tooLong(at.interfaceName, MAX_INTERFACE_NAME)] : []),
  ...(byteLength(hardwareAddress) > MAX_HARDWARE_ADDRESS ? [tooLong(at.hardwareAddress, MAX_HARDWARE_ADDRESS)] : []),
  ...validateList(ips, at.ips, {
    max: MAX_IPS,
    item: (address, here) => isInterfaceAddress(here, address),
    keyOf: (address) => address,
  }),
];
