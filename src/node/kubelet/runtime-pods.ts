/** What the runtime has of pods, put together by the labels that this kubelet gave. */
import type { Clock } from '#base/clock.ts';
import type { ContainerStatus } from '#node/runtime/container.ts';
import type { PodSandboxStatus } from '#node/runtime/pod-sandbox.ts';
import type { ContainerRuntime } from '#node/runtime/runtime.ts';
import { CONTAINER_NAME, POD_NAME, POD_NAMESPACE, POD_UID } from './runtime-labels.ts';
import type { RuntimeList } from './runtime-watcher.ts';

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
/** Attempts are counted; the times are of a wall clock, which may have been set back between two of them. */
const newestFirst = (a: Dated, b: Dated): number =>
  b.metadata.attempt - a.metadata.attempt || (b.createdAt ?? 0) - (a.createdAt ?? 0);

/** That it was out of memory may be learnt after its exit. */
const REASON_SETTLES_MS = 2_000;
/** What was read is believed for no longer, even if nothing is told to have changed. */
const BELIEVED_MS = 300_000;

export class RuntimePods {
  readonly #runtime: ContainerRuntime;
  readonly #clock: Clock;
  /** A container that exited some time ago does not change any more: read once. By id. */
  readonly #exited = new Map<string, ContainerStatus>();
  /** Pods that the runtime may have something of. All others are new: nobody else makes sandboxes with our labels. */
  readonly #present = new Set<string>();
  #isPresentKnown = false;
  /** What of each pod is there, as far as we have been told: id → whether it is a sandbox. */
  readonly #ids = new Map<string, Map<string, 'sandbox' | 'container'>>();
  readonly #podOf = new Map<string, string>();
  /** What was read last of pods that go on as they are. */
  readonly #remembered = new Map<string, { pod: RuntimePod; atMs: number }>();
  /** Of sandboxes as they were when they had just been made: good for one read. By id. */
  readonly #justMade = new Map<string, PodSandboxStatus>();
  /** The read of each pod that began last, unless something has changed since. */
  readonly #reading = new Map<string, object>();

  constructor(runtime: ContainerRuntime, clock: Clock) {
    this.#runtime = runtime;
    this.#clock = clock;
  }

  /** As it is now. */
  async read(uid: string): Promise<RuntimePod> {
    if (!this.#isPresentKnown) await this.#learnPresent();
    if (!this.#present.has(uid)) return emptyRuntimePod(uid);
    const filter = { labelSelector: { [POD_UID]: uid } };
    const knownBefore = [...(this.#ids.get(uid)?.keys() ?? [])];
    const [sandboxes, containers] = await Promise.all([
      this.#runtime.listPodSandboxes(filter),
      this.#runtime.listContainers(filter),
    ]);
    const listed = new Set([...sandboxes, ...containers].map(({ id }) => id));
    // What was made while we asked is there, though it may not be in the list.
    for (const id of knownBefore) if (!listed.has(id)) this.forget(id);
    for (const { id } of sandboxes) this.made(uid, id, 'sandbox');
    for (const { id } of containers) this.made(uid, id, 'container');
    return this.readKnown(uid);
  }

  /** As it is now, of what was there at the last `read` and was `made` since: half the calls. */
  async readKnown(uid: string): Promise<RuntimePod> {
    const atMs = this.#clock.monotonicMs();
    const reading = {};
    this.#reading.set(uid, reading);
    const pod = await this.#statusesOf(uid);
    if (this.#reading.get(uid) !== reading) return pod;
    this.#reading.delete(uid);
    if (this.#isSteady(pod)) this.#remembered.set(uid, { pod, atMs });
    else this.#remembered.delete(uid);
    return pod;
  }

  /** As it was read last, when nothing has been told of it since. No call; undefined: it must be read. */
  remembered(uid: string): RuntimePod | undefined {
    const known = this.#remembered.get(uid);
    return known && this.#clock.monotonicMs() - known.atMs < BELIEVED_MS ? known.pod : undefined;
  }

  /** Something has happened to it. */
  changed(uid: string): void {
    for (const id of this.#ids.get(uid)?.keys() ?? []) this.#justMade.delete(id);
    this.#unsettle(uid);
  }

  #unsettle(uid: string): void {
    this.#remembered.delete(uid);
    this.#reading.delete(uid);
  }

  /** Nothing of it changes without being told. */
  #isSteady({ sandboxes, containers }: RuntimePod): boolean {
    return (
      sandboxes[0]?.state === 'SANDBOX_READY' &&
      containers.every(({ id, state }) => state === 'CONTAINER_RUNNING' || this.#exited.has(id))
    );
  }

  async #statusesOf(uid: string): Promise<RuntimePod> {
    const ids = [...(this.#ids.get(uid) ?? [])];
    const of = (sort: string) => ids.flatMap(([id, what]) => (what === sort ? [id] : []));
    const [sandboxStatuses, containerStatuses] = await Promise.all([
      Promise.all(of('sandbox').map((id) => this.#sandboxStatus(id))),
      Promise.all(of('container').map((id) => this.#containerStatus(id))),
    ]);
    const sandboxes = sandboxStatuses.filter((status) => status !== undefined).sort(newestFirst);
    const containers = containerStatuses.filter((status) => status !== undefined).sort(newestFirst);
    const labels = sandboxes[0]?.labels ?? containers[0]?.labels ?? {};
    return { uid, name: labels[POD_NAME] ?? '', namespace: labels[POD_NAMESPACE] ?? '', sandboxes, containers };
  }

  /** As it is now, by the cheaper of the two ways. */
  look(uid: string): Promise<RuntimePod> {
    return this.#ids.get(uid)?.size ? this.readKnown(uid) : this.read(uid);
  }

  /** This kubelet has made it, or has seen it in a list. */
  made(uid: string, id: string, what: 'sandbox' | 'container'): void {
    const ids = this.#ids.get(uid) ?? new Map<string, 'sandbox' | 'container'>();
    ids.set(id, what);
    this.#ids.set(uid, ids);
    if (this.#podOf.get(id) !== uid) this.#unsettle(uid);
    this.#podOf.set(id, uid);
  }

  /** This kubelet has made it and looks at it: what it finds is what the next read finds, unless something happens first. */
  async madeSandbox(uid: string, id: string): Promise<PodSandboxStatus | undefined> {
    this.made(uid, id, 'sandbox');
    const reading = {};
    this.#reading.set(uid, reading);
    const status = await this.#runtime.podSandboxStatus(id);
    if (status && this.#reading.get(uid) === reading) this.#justMade.set(id, status);
    return status;
  }

  /** Whose sandbox or container it is; undefined: nobody has told. */
  podOf(id: string): string | undefined {
    return this.#podOf.get(id);
  }

  /** These are there, or are about to be made. */
  present(uids: Iterable<string>): void {
    for (const uid of uids) this.#present.add(uid);
  }

  /** In a list of all that there is. */
  seen({ sandboxes, containers }: RuntimeList): void {
    this.present([...sandboxes, ...containers].flatMap(({ labels }) => labels[POD_UID] ?? []));
  }

  /** All of it was removed. What is found nevertheless is `present` again. */
  absent(uid: string): void {
    this.#present.delete(uid);
    this.changed(uid);
    for (const id of [...(this.#ids.get(uid)?.keys() ?? [])]) this.forget(id);
    this.#ids.delete(uid);
  }

  /** It was removed. */
  forget(id: string): void {
    const uid = this.#podOf.get(id) ?? '';
    this.changed(uid);
    this.#exited.delete(id);
    this.#justMade.delete(id);
    this.#ids.get(uid)?.delete(id);
    this.#podOf.delete(id);
  }

  /** What an earlier run of the kubelet has left. */
  async #learnPresent(): Promise<void> {
    const [sandboxes, containers] = await Promise.all([
      this.#runtime.listPodSandboxes(),
      this.#runtime.listContainers(),
    ]);
    this.seen({ sandboxes, containers });
    this.#isPresentKnown = true;
  }

  async #sandboxStatus(id: string): Promise<PodSandboxStatus | undefined> {
    const known = this.#justMade.get(id);
    this.#justMade.delete(id);
    return known ?? this.#runtime.podSandboxStatus(id);
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
