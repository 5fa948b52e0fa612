/** The devices that a node has for claims, and what is said where it has none, or nobody can tell. */
import type { Node } from '#api/core/v1/node.ts';
import type { AllocationResult } from '#api/generated/schema.ts';
import { PluginFailed, unresolvable } from '../../define-plugin.ts';
import type { Verdict } from '../../verdict.ts';
import { allocationOf } from './allocation-result.ts';
import type { DevicePools } from './device-pools.ts';
import { DeviceSearch, type SearchOptions, SearchTooLong } from './device-search.ts';
import { AllocationFailed } from './device-selectors.ts';

export const NAME = 'DynamicResources';

interface Wanted extends Omit<SearchOptions, 'pools' | 'claims'> {
  wanting: SearchOptions['claims'];
  pools: DevicePools;
}

/** The devices for each claim that wants some, or why not. Throws PluginFailed when no node can be decided on. */
export function devicesOn(
  node: Node,
  { wanting: claims, pools: published, ...how }: Wanted,
): AllocationResult[] | Verdict {
  const pools = published.of(node);
  try {
    const chosen = new DeviceSearch({ claims, pools, ...how }).run();
    if (chosen) return claims.map((claim, index) => allocationOf(claim, chosen[index] ?? [], node.metadata.name));
    const isInvalid = pools.some(({ problem }) => problem === 'invalid');
    return unresolvable(isInvalid ? 'invalid resource pools were encountered' : 'cannot allocate all claims');
  } catch (error) {
    const { name } = node.metadata;
    throw failureOf(
      error instanceof SearchTooLong
        ? new AllocationFailed(`node ${name}: timed out trying to allocate devices`, { cause: error })
        : error,
    );
  }
}

/** What cannot be asked for so fails the plugin, in upstream's words. */
export function asFailure<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw failureOf(error);
  }
}

const failureOf = (error: unknown): unknown =>
  error instanceof AllocationFailed
    ? new PluginFailed(`running "${NAME}" filter plugin: ${error.message}`, { cause: error })
    : error;
