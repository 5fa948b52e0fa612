/** Writes down which volumes a pod's claims get, and waits until the binder has bound them. */
import { Node } from '#api/core/v1/node.ts';
import { PersistentVolume } from '#api/core/v1/persistent-volume.ts';
import { PersistentVolumeClaim } from '#api/core/v1/persistent-volume-claim.ts';
import { isFullyBound, isReachableFrom, SELECTED_NODE } from '#api/core/v1/persistent-volume-matching.ts';
import { Pod } from '#api/core/v1/pod.ts';
import type { KubeObject, ObjectKey } from '#api/machinery/object.ts';
import { keyOf } from '#api/machinery/object.ts';
import { isAtLeast } from '#client/object-cache.ts';
import { type BindingServices, PluginFailed } from '../define-plugin.ts';
import type { Choice } from './volume-choice.ts';

interface Place {
  pod: Pod;
  nodeName: string;
  services: BindingServices;
  timeoutMs: number;
}

/** Throws PluginFailed when it takes too long or comes to nothing, and what the server said of the writes. */
export async function bindVolumes(choice: Choice, place: Place): Promise<void> {
  const { client } = place.services;
  const bindings: Choice['bindings'][number][] = [];
  for (const { volume, claim } of choice.bindings)
    bindings.push({ volume: await client.update(PersistentVolume, volume), claim });
  const provisions: PersistentVolumeClaim[] = [];
  for (const claim of choice.provisions) provisions.push(await client.update(PersistentVolumeClaim, claim));
  await place.services.whileOthers(untilBound({ bindings, provisions }, place));
}

/** Looks again whenever something that it depends on has changed. */
function untilBound(written: Choice, place: Place): Promise<void> {
  const { clock, cached, signal } = place.services;
  return new Promise((resolve, reject) => {
    const stops: (() => void)[] = [];
    const end = (finish: () => void) => {
      for (const stop of stops) stop();
      finish();
    };
    const giveUp = (message: string) => end(() => reject(new PluginFailed(message)));
    const fail = (message: string) => giveUp(`binding volumes: ${message}`);
    const look = () => {
      const state = stateOf(written, place);
      if (state === 'bound') end(resolve);
      else if (state !== 'waiting') fail(state.failure);
    };
    const timer = clock.timer(place.timeoutMs, () => fail('context deadline exceeded'));
    const aborted = () => giveUp((signal.reason as Error).message);
    signal.addEventListener('abort', aborted, { once: true });
    stops.push(
      () => timer.cancel(),
      () => signal.removeEventListener('abort', aborted),
      cached(PersistentVolume).onChange(look),
      cached(PersistentVolumeClaim).onChange(look),
      cached(Pod).onChange(({ now, before }) => {
        if (!now && before?.metadata.uid === place.pod.metadata.uid) look();
      }),
    );
    if (signal.aborted) aborted();
    else look();
  });
}

type State = 'bound' | 'waiting' | { failure: string };

function stateOf({ bindings, provisions }: Choice, { pod, nodeName, services: { cached } }: Place): State {
  const node = cached(Node).get(nodeName as ObjectKey);
  if (!node) return { failure: `failed to get node "${nodeName}": node "${nodeName}" not found` };
  if (!cached(Pod).get(keyOf(pod)))
    return { failure: `pod does not exist any more: pod "${pod.metadata.name}" not found` };
  const states = [
    ...bindings.map((binding) => stateOfBinding(binding, node, cached)),
    ...provisions.map((claim) => stateOfProvision(claim, node, cached)),
  ];
  return states.find((state) => typeof state === 'object') ?? states.find((state) => state === 'waiting') ?? 'bound';
}

/** What was written may not have come back yet. */
const isOlder = (known: KubeObject, written: KubeObject): boolean =>
  !isAtLeast(known.metadata.resourceVersion!, written.metadata.resourceVersion!);

function stateOfBinding(written: Choice['bindings'][number], node: Node, cached: BindingServices['cached']): State {
  const { name } = written.volume.metadata;
  const volume = cached(PersistentVolume).get(name as ObjectKey);
  if (!volume) return { failure: `failed to check binding: could not find v1.PersistentVolume "${name}"` };
  const claim = cached(PersistentVolumeClaim).get(keyOf(written.claim));
  if (!claim)
    return { failure: `failed to check binding: could not find v1.PersistentVolumeClaim "${keyOf(written.claim)}"` };
  if (isOlder(volume, written.volume)) return 'waiting';
  const unreachable = refusedReach(volume, node);
  if (unreachable) return unreachable;
  if (!volume.spec.claimRef?.uid) return { failure: `ClaimRef got reset for pv "${name}"` };
  return isFullyBound(claim) ? 'bound' : 'waiting';
}

function stateOfProvision(written: PersistentVolumeClaim, node: Node, cached: BindingServices['cached']): State {
  const key = keyOf(written);
  const claim = cached(PersistentVolumeClaim).get(key);
  if (!claim) return { failure: `failed to check provisioning pvc: could not find v1.PersistentVolumeClaim "${key}"` };
  if (isOlder(claim, written)) return 'waiting';
  const { name, annotations } = claim.metadata;
  if (!annotations) return { failure: `selectedNode annotation reset for PVC "${name}"` };
  if (annotations[SELECTED_NODE] !== node.metadata.name) return { failure: `provisioning failed for PVC "${name}"` };
  const { volumeName } = claim.spec;
  if (!volumeName) return 'waiting';
  const volume = cached(PersistentVolume).get(volumeName as ObjectKey);
  if (!volume) return 'waiting'; // on its way; if it is gone, the claim will say so
  return refusedReach(volume, node) ?? (isFullyBound(claim) ? 'bound' : 'waiting');
}

function refusedReach(volume: PersistentVolume, { metadata }: Node): State | undefined {
  if (isReachableFrom(volume, metadata.labels)) return undefined;
  const { name } = volume.metadata;
  return { failure: `pv "${name}" node affinity doesn't match node "${metadata.name}": no matching NodeSelectorTerms` };
}
