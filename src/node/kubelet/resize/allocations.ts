/**
 * What each pod was given (allocated), and what its control groups were last told (actuated). Both outlive the kubelet, as
 * `allocated_pods_state` does upstream. Source: KEP-1287, In-Place Update of Pod Resources; KEP-5419 for whole pods.
 */
import { join } from 'node:path';
import type { Container, Pod, ResourceRequirements } from '#api/generated/schema.ts';
import { compareQuantities } from '#api/machinery/quantity.ts';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import { initContainers, isSidecar } from '../pod-containers.ts';
import { readState, StateFile } from '../state-file.ts';

export interface PodResources {
  /** By container name. */
  containers: Record<string, ResourceRequirements>;
  /** The pod's own, where it has any. */
  pod?: ResourceRequirements;
}
type Book = Map<string, PodResources>;

const FILE = 'allocated_pods_state';

export class Allocations {
  readonly #allocated: Book;
  readonly #actuated: Book;
  readonly #file: StateFile;

  private constructor(
    path: string,
    { allocated, actuated }: { allocated: Book; actuated: Book },
    services: { clock: Clock; log: Log },
  ) {
    this.#allocated = allocated;
    this.#actuated = actuated;
    const books = () => ({
      allocated: Object.fromEntries(this.#allocated),
      actuated: Object.fromEntries(this.#actuated),
    });
    this.#file = new StateFile(path, books, services);
  }

  /** @param root the kubelet's folder */
  static async open(root: string, services: { clock: Clock; log: Log }): Promise<Allocations> {
    const path = join(root, FILE);
    const state = (await readState(path)) as Record<'allocated' | 'actuated', Record<string, PodResources>> | undefined;
    const book = (of: Record<string, PodResources> | undefined): Book => new Map(Object.entries(of ?? {}));
    return new Allocations(path, { allocated: book(state?.allocated), actuated: book(state?.actuated) }, services);
  }

  has(podUid: string): boolean {
    return this.#allocated.has(podUid);
  }

  /** It gets what it asks for. */
  allocate(pod: Pod): void {
    this.#allocated.set(pod.metadata.uid, resourcesOf(pod));
    this.#file.changed();
  }

  /** With what it was given instead of what it asks for; the pod itself where that is the same, or nothing is known. */
  allocatedPod(pod: Pod): Pod {
    const given = this.#allocated.get(pod.metadata.uid);
    return given ? podWith(pod, given) : pod;
  }

  /** With what is in force. */
  actuatedPod(pod: Pod): Pod {
    const told = this.#actuated.get(pod.metadata.uid);
    return told ? podWith(pod, told) : pod;
  }

  actuated(podUid: string): PodResources | undefined {
    return this.#actuated.get(podUid);
  }

  /** The container is made, or was changed, with just these. */
  actuate(podUid: string, { name, resources = {} }: Container): void {
    const told = this.#actuated.get(podUid) ?? { containers: {} };
    if (same(told.containers[name], resources) && told.containers[name]) return;
    this.#actuated.set(podUid, { ...told, containers: { ...told.containers, [name]: resources } });
    this.#file.changed();
  }

  /** The group of the whole pod has these. */
  actuatePod({ metadata: { uid }, spec: { resources } }: Pod): void {
    const told = this.#actuated.get(uid) ?? { containers: {} };
    if (!resources || (told.pod && same(told.pod, resources))) return;
    this.#actuated.set(uid, { ...told, pod: resources });
    this.#file.changed();
  }

  forget(podUid: string): void {
    const had = this.#allocated.delete(podUid);
    if (this.#actuated.delete(podUid) || had) this.#file.changed();
  }

  /** What an earlier kubelet has left of pods that are gone. */
  keepOnly(isKnown: (podUid: string) => boolean): void {
    for (const uid of [...this.#allocated.keys(), ...this.#actuated.keys()]) if (!isKnown(uid)) this.forget(uid);
  }

  settled(): Promise<void> {
    return this.#file.settled();
  }
}

/** Ordinary containers and sidecars; other init containers are over before anybody could want more for them. */
export const resizableContainers = (pod: Pod): Container[] => [
  ...initContainers(pod).filter(isSidecar),
  ...pod.spec.containers,
];

const resourcesOf = (pod: Pod): PodResources => ({
  containers: Object.fromEntries(resizableContainers(pod).map(({ name, resources = {} }) => [name, resources])),
  ...(pod.spec.resources && { pod: pod.spec.resources }),
});

function podWith(pod: Pod, { containers, pod: whole }: PodResources): Pod {
  const names = new Set(resizableContainers(pod).map(({ name }) => name));
  let isSame = true;
  const changed = (container: Container): Container => {
    const resources = names.has(container.name) ? containers[container.name] : undefined;
    if (!resources || same(container.resources, resources)) return container;
    isSame = false;
    return { ...container, resources };
  };
  const { spec } = pod;
  const regular = spec.containers.map(changed);
  const init = spec.initContainers?.map(changed);
  const own = whole && !same(spec.resources, whole) ? whole : undefined;
  if (isSame && !own) return pod;
  return {
    ...pod,
    spec: { ...spec, containers: regular, ...(init && { initContainers: init }), ...(own && { resources: own }) },
  };
}

/** As amounts: 1000m is 1. */
export function same(a: ResourceRequirements | undefined, b: ResourceRequirements | undefined): boolean {
  return (['requests', 'limits'] as const).every((part) => {
    const [ours, theirs] = [a?.[part] ?? {}, b?.[part] ?? {}];
    const names = new Set([...Object.keys(ours), ...Object.keys(theirs)]);
    return [...names].every((name) => sameAmount(ours[name], theirs[name]));
  });
}

export const sameAmount = (a: string | undefined, b: string | undefined): boolean =>
  a === undefined || b === undefined ? a === b : compareQuantities(a, b) === 0;
