/** What outlives a kubelet: it begins with what the one before it knew of its pods, from files in its folder. */
import type { KubeletConfiguration } from '#api/kubelet-config/kubelet-configuration.ts';
import { connectDraPlugin } from '#node/runtime/devices/dra-plugin.ts';
import { Devices } from './devices/devices.ts';
import type { KubeletOptions } from './kubelet-options.ts';
import { Allocations } from './resize/allocations.ts';
import { ResourceClaims } from './resource-claims/resource-claims.ts';
import { idRangeOf } from './user-namespaces/id-range.ts';
import { IDS_UNIT, UserNamespaces } from './user-namespaces/user-namespaces.ts';

export interface KeptState {
  /** What the pods may use. */
  allocations: Allocations;
  /** Which devices of plugins they have. */
  devices: Devices;
  /** Which claims are ready for them. */
  claims: ResourceClaims;
  /** As which users they run. */
  userNamespaces: UserNamespaces;
}

export interface KeptStateOptions {
  options: KubeletOptions & { maxPods: number };
  configuration: KubeletConfiguration;
  signal: AbortSignal;
  /** The node has other devices than before. */
  reportNode(): void;
  wake(podUid: string): void;
}

/** Throws where a kubelet must not begin with what it finds. */
export async function openKeptState(inputs: KeptStateOptions): Promise<KeptState> {
  const { options, signal, wake } = inputs;
  const { nodeName, client, clock, log, directories } = options;
  const { root } = directories;
  const [allocations, devices, claims, userNamespaces] = await Promise.all([
    Allocations.open(root, options),
    Devices.open({ root, clock, log, onChange: inputs.reportNode, onHealth: wake }),
    ResourceClaims.open({
      root,
      nodeName,
      client,
      clock,
      log,
      signal,
      connect: (endpoint, service, onCall) => connectDraPlugin(endpoint, service, { clock, onCall }),
      onHealth: wake,
    }),
    openUserNamespaces(inputs),
  ]);
  return { allocations, devices, claims, userNamespaces };
}

async function openUserNamespaces({ options, configuration }: KeptStateOptions): Promise<UserNamespaces> {
  const { directories, maxPods, random } = options;
  const { idsPerPod = IDS_UNIT } = configuration.userNamespaces;
  const range = options.idRange ?? (await idRangeOf(idsPerPod));
  return UserNamespaces.open({ root: directories.root, maxPods, idsPerPod, range, random });
}
