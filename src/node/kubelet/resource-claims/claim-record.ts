/** What the kubelet knows of a claim that pods on its node use. */
import type { ResourceHealth } from '#api/generated/schema.ts';
import type { ResourceClaim } from '#api/resource/v1/resource-claim.ts';
import type { ClaimName, PreparedDevice } from '#node/runtime/devices/dra-plugin.ts';
import type { DeviceName, Health } from './device-healths.ts';
import type { ToldClaim } from '#node/runtime/devices/pod-resources-server.ts';

export interface ClaimRecord extends ClaimName {
  podUids: string[];
  /** Each driver that has given devices to it. */
  drivers: { name: string; devices: PreparedDevice[] }[];
}

/** @param claim has been allocated */
export function recordOf({ metadata, status }: ResourceClaim): ClaimRecord {
  const drivers = new Set((status?.allocation?.devices?.results ?? []).map(({ driver }) => driver));
  return {
    namespace: metadata.namespace ?? '',
    name: metadata.name ?? '',
    uid: metadata.uid ?? '',
    podUids: [],
    drivers: [...drivers].map((name) => ({ name, devices: [] })),
  };
}

export const withDevices = (record: ClaimRecord, driver: string, devices: PreparedDevice[]): ClaimRecord => ({
  ...record,
  drivers: record.drivers.map((each) => (each.name === driver ? { ...each, devices } : each)),
});

/** @param request '': all devices of the claim */
export function cdiDevicesOf({ drivers }: ClaimRecord, request: string): string[] {
  const devices = drivers.flatMap((driver) => driver.devices);
  const meant = devices.filter(
    ({ requestNames }) => request === '' || requestNames.length === 0 || requestNames.includes(request),
  );
  return meant.flatMap(({ cdiDeviceIds }) => cdiDeviceIds);
}

/** @param request '': all devices of the claim; of an alternative, its whole */
export function healthIn(
  { drivers }: ClaimRecord,
  request: string,
  healthOf: (driver: string, device: DeviceName) => Health,
): ResourceHealth[] {
  const [base = ''] = request.split('/');
  const found = new Map<string, ResourceHealth>();
  for (const { name, devices } of drivers)
    for (const device of devices) {
      const { requestNames, poolName, deviceName, cdiDeviceIds } = device;
      if (base !== '' && requestNames.length > 0 && !requestNames.includes(base)) continue;
      const resourceID = cdiDeviceIds[0] ?? `${name}/${poolName}/${deviceName}`;
      if (!found.has(resourceID)) found.set(resourceID, { resourceID, ...healthOf(name, device) });
    }
  return [...found.values()];
}

/** Whether one of the driver's devices is among those of the claim. */
export const hasOneOf = ({ drivers }: ClaimRecord, driver: string, devices: readonly DeviceName[]): boolean =>
  (drivers.find(({ name }) => name === driver)?.devices ?? []).some((mine) =>
    devices.some(({ poolName, deviceName }) => mine.poolName === poolName && mine.deviceName === deviceName),
  );

export const toldClaim = ({ name, namespace, drivers }: ClaimRecord): ToldClaim => ({
  claim_name: name,
  claim_namespace: namespace,
  claim_resources: drivers.flatMap((driver) =>
    driver.devices.map(({ poolName, deviceName, cdiDeviceIds }) => ({
      cdi_devices: cdiDeviceIds.map((id) => ({ name: id })),
      driver_name: driver.name,
      pool_name: poolName,
      device_name: deviceName,
    })),
  ),
});

/** Driver → the claims that it has a part in. */
export function byDriver(records: readonly ClaimRecord[]): Map<string, ClaimRecord[]> {
  const batches = new Map<string, ClaimRecord[]>();
  for (const record of records)
    for (const { name } of record.drivers) batches.set(name, [...(batches.get(name) ?? []), record]);
  return batches;
}
