/** What the runtime has of pods, put together by the labels that this kubelet gave. */
import type { Clock } from '#base/clock.ts';
import type { ContainerRuntime, ContainerStatus, PodSandboxStatus } from '#node/runtime/runtime.ts';
import { CONTAINER_NAME, POD_NAME, POD_NAMESPACE, POD_UID } from './runtime-labels.ts';

export interface RuntimePod {
  uid: string;
  name: string;
  namespace: string;
  /** Newest first. */
  sandboxes: PodSandboxStatus[];
  /** Newest first, of all names. */
  containers: ContainerStatus[];
}

export const emptyRuntimePod = (uid: string): RuntimePod => ({
  uid,
  name: '',
  namespace: '',
  sandboxes: [],
  containers: [],
});

export const containerNameOf = ({ labels }: ContainerStatus): string => labels[CONTAINER_NAME] ?? '';
export const newestOf = (pod: RuntimePod, containerName: string): ContainerStatus | undefined =>
  pod.containers.find((status) => containerNameOf(status) === containerName);
export const olderOf = (pod: RuntimePod, containerName: string): ContainerStatus | undefined =>
  pod.containers.filter((status) => containerNameOf(status) === containerName)[1];
export const isAlive = ({ state }: ContainerStatus): boolean =>
  state === 'CONTAINER_RUNNING' || state === 'CONTAINER_UNKNOWN';

type Dated = { createdAt: number | undefined; metadata: { attempt: number } };
const newestFirst = (a: Dated, b: Dated): number =>
  (b.createdAt ?? 0) - (a.createdAt ?? 0) || b.metadata.attempt - a.metadata.attempt;

/** That it was out of memory may be learnt after its exit. */
const REASON_SETTLES_MS = 2_000;

export class RuntimePods {
  readonly #runtime: ContainerRuntime;
  readonly #clock: Clock;
  /** A container that exited some time ago does not change any more: read once. By id. */
  readonly #exited = new Map<string, ContainerStatus>();
  /** Pods that the runtime may have something of. All others are new: nobody else makes sandboxes with our labels. */
  readonly #present = new Set<string>();
  #isPresentKnown = false;

  constructor(runtime: ContainerRuntime, clock: Clock) {
    this.#runtime = runtime;
    this.#clock = clock;
  }

  /** As it is now. */
  async read(uid: string): Promise<RuntimePod> {
    if (!this.#isPresentKnown) await this.#learnPresent();
    if (!this.#present.has(uid)) return emptyRuntimePod(uid);
    const filter = { labelSelector: { [POD_UID]: uid } };
    const [sandboxes, containers] = await Promise.all([
      this.#runtime.listPodSandboxes(filter),
      this.#runtime.listContainers(filter),
    ]);
    const [sandboxStatuses, containerStatuses] = await Promise.all([
      Promise.all(sandboxes.map(({ id }) => this.#runtime.podSandboxStatus(id))),
      Promise.all(containers.map(({ id }) => this.#containerStatus(id))),
    ]);
    const labels = sandboxes[0]?.labels ?? containers[0]?.labels ?? {};
    return {
      uid,
      name: labels[POD_NAME] ?? '',
      namespace: labels[POD_NAMESPACE] ?? '',
      sandboxes: sandboxStatuses.filter((status) => status !== undefined).sort(newestFirst),
      containers: containerStatuses.filter((status) => status !== undefined).sort(newestFirst),
    };
  }

  /** These are there, or are about to be made. */
  present(uids: Iterable<string>): void {
    for (const uid of uids) this.#present.add(uid);
  }

  /** All of it was removed. What is found nevertheless is `present` again. */
  absent(uid: string): void {
    this.#present.delete(uid);
  }

  forget(containerId: string): void {
    this.#exited.delete(containerId);
  }

  /** What an earlier run of the kubelet has left. */
  async #learnPresent(): Promise<void> {
    const found = await Promise.all([this.#runtime.listPodSandboxes(), this.#runtime.listContainers()]);
    this.present(found.flat().flatMap(({ labels }) => labels[POD_UID] ?? []));
    this.#isPresentKnown = true;
  }

  async #containerStatus(id: string): Promise<ContainerStatus | undefined> {
    const known = this.#exited.get(id);
    if (known) return known;
    const status = await this.#runtime.containerStatus(id);
    const isSettled = status && this.#clock.now() - (status.finishedAt ?? 0) > REASON_SETTLES_MS;
    if (status?.state === 'CONTAINER_EXITED' && isSettled) this.#exited.set(id, status);
    return status;
  }
}
