/** Devices that must be made ready for a node before a pod is bound to it: their driver says so by conditions. Source: KEP-5007. */
import type { DeviceRequestAllocationResult } from '#api/generated/schema.ts';
import type { ObjectKey } from '#api/machinery/object.ts';
import { keyOf } from '#api/machinery/object.ts';
import { millisOf } from '#api/machinery/timestamp.ts';
import { ResourceClaim } from '#api/resource/v1/resource-claim.ts';
import { type BindingServices, PluginFailed } from '../../define-plugin.ts';

interface At {
  nowMs: number;
  timeoutMs: number;
}

export type Readiness = 'ready' | 'waiting' | { failure: string };

/** A claim without such devices is ready; one that has waited for them too long, since it was given them, is no more to be waited for. */
export function readinessOf(claim: ResourceClaim, { nowMs, timeoutMs }: At): Readiness {
  const said = saidOf(claim);
  if (said !== 'waiting') return said;
  const sinceMs = millisOf(claim.status?.allocation?.allocationTimestamp);
  const isLate = sinceMs !== undefined && sinceMs + timeoutMs < nowMs;
  return isLate ? { failure: `device binding timeout: claim=${claim.metadata.name}` } : 'waiting';
}

function saidOf(claim: ResourceClaim): Readiness {
  for (const result of resultsOf(claim)) {
    if (!result.bindingConditions?.length) continue;
    const conditions = conditionsOf(claim, result);
    const failed = conditions.find(
      ({ type, status }) => status === 'True' && result.bindingFailureConditions?.includes(type),
    );
    if (failed) {
      const { reason, message } = failed;
      const why = `reason=${reason}, message=${JSON.stringify(message)}`;
      return { failure: `device binding failed: claim=${claim.metadata.name}, ${why}` };
    }
    const isTrue = (type: string) => conditions.some((each) => each.type === type && each.status === 'True');
    if (!result.bindingConditions.every(isTrue)) return 'waiting';
  }
  return 'ready';
}

export const hasBindingConditions = (claim: ResourceClaim): boolean =>
  resultsOf(claim).some(({ bindingConditions }) => bindingConditions?.length);

const resultsOf = ({ status }: ResourceClaim) => status?.allocation?.devices?.results ?? [];

const conditionsOf = ({ status }: ResourceClaim, result: DeviceRequestAllocationResult) =>
  status?.devices?.find(
    ({ driver, pool, device }) => driver === result.driver && pool === result.pool && device === result.device,
  )?.conditions ?? [];

/** Throws PluginFailed: upstream's words. */
export function untilReady(
  claims: readonly ResourceClaim[],
  timeoutMs: number,
  { clock, cached, signal }: BindingServices,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const stops: (() => void)[] = [];
    const end = (finish: () => void) => {
      for (const stop of stops) stop();
      finish();
    };
    const fail = (message: string) => end(() => reject(new PluginFailed(message)));
    const look = () => {
      const states = claims.map((claim) => {
        const known = cached(ResourceClaim).get(keyOf(claim) as ObjectKey);
        return known
          ? readinessOf(known, { nowMs: clock.now(), timeoutMs })
          : { failure: `resourceclaim "${claim.metadata.name}" not found` };
      });
      const failed = states.find((state) => typeof state === 'object');
      if (typeof failed === 'object') fail(failed.failure);
      else if (states.every((state) => state === 'ready')) end(resolve);
    };
    const timer = clock.timer(timeoutMs, () => fail('device binding timeout: context deadline exceeded'));
    const aborted = () => fail((signal.reason as Error).message);
    signal.addEventListener('abort', aborted, { once: true });
    stops.push(
      () => timer.cancel(),
      () => signal.removeEventListener('abort', aborted),
      cached(ResourceClaim).onChange(look),
    );
    if (signal.aborted) aborted();
    else look();
  });
}
