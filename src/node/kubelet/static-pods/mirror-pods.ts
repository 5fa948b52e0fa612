/** Shows the node's static pods in the API: an object for each, that nobody but this node makes, and that decides nothing. */
import { Pod } from '#api/core/v1/pod.ts';
import type { Node } from '#api/generated/schema.ts';
import { keyOf } from '#api/machinery/object.ts';
import { hasReason, StatusError } from '#api/machinery/status.ts';
import type { Clock, Timer } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Client } from '#client/client.ts';
import { Unreachable } from '#client/transport.ts';
import { CONFIG_HASH, CONFIG_MIRROR, isMirror } from './static-pod.ts';

export interface MirrorPodsOptions {
  client: Client;
  clock: Clock;
  log: Log;
  /** Owns them: they go with it. */
  node(): Node | undefined;
  /** Of this node, as the API has them. */
  pods(): readonly Pod[];
  staticPods(): readonly Pod[];
  /** Whether the kubelet still works on the static pod of this uid. */
  isKnown(podUid: string): boolean;
}

const RETRY_MS = 10_000;

export class MirrorPods {
  readonly #options: MirrorPodsOptions;
  #running: Promise<void> | undefined;
  #isDirty = false;
  #timer: Timer | undefined;
  #isClosed = false;

  constructor(options: MirrorPodsOptions) {
    this.#options = options;
  }

  get busy(): number {
    return this.#running ? 1 : 0;
  }

  /** The API, the files or the pods have changed. */
  reconcile(): void {
    this.#isDirty = true;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  async #run(): Promise<void> {
    const { log, clock } = this.#options;
    while (this.#isDirty && !this.#isClosed) {
      this.#isDirty = false;
      try {
        await this.#reconcileOnce();
      } catch (error) {
        if (!(error instanceof StatusError) && !(error instanceof Unreachable)) throw error;
        log.warn('cannot show a static pod in the API', { error: error.message });
        this.#timer?.cancel();
        if (!this.#isClosed) this.#timer = clock.timer(RETRY_MS, () => this.reconcile());
      }
    }
  }

  async #reconcileOnce(): Promise<void> {
    const { pods, staticPods, isKnown } = this.#options;
    const mirrors = new Map(
      pods()
        .filter(isMirror)
        .map((mirror) => [keyOf(mirror), mirror]),
    );
    const wanted = new Map(staticPods().map((pod) => [keyOf(pod), pod]));
    for (const [key, mirror] of mirrors) {
      const pod = wanted.get(key);
      const hash = mirror.metadata.annotations?.[CONFIG_MIRROR] ?? '';
      const isCurrent = pod?.metadata.annotations?.[CONFIG_HASH] === hash && !mirror.metadata.deletionTimestamp;
      // One whose pod still ends stays: its end is to be seen.
      if (isCurrent || (!pod && isKnown(hash))) continue;
      await this.#remove(mirror);
    }
    for (const [key, pod] of wanted) if (!mirrors.has(key)) await this.#show(pod);
  }

  async #show({ metadata, spec }: Pod): Promise<void> {
    const node = this.#options.node();
    if (!node) return;
    const { name, namespace, labels, annotations = {} } = metadata;
    const owner = {
      apiVersion: 'v1',
      kind: 'Node',
      name: node.metadata.name,
      uid: node.metadata.uid,
      controller: true,
    };
    try {
      await this.#options.client.create(Pod, {
        metadata: {
          name,
          ...(namespace && { namespace }),
          ...(labels && { labels }),
          annotations: { ...annotations, [CONFIG_MIRROR]: annotations[CONFIG_HASH] ?? '' },
          ownerReferences: [owner],
        },
        spec,
      });
    } catch (error) {
      if (!hasReason(error, 'AlreadyExists')) throw error;
    }
  }

  async #remove({ metadata: { name, namespace = '', uid } }: Pod): Promise<void> {
    try {
      await this.#options.client.delete(Pod, { name, namespace }, { gracePeriodSeconds: 0, preconditions: { uid } });
    } catch (error) {
      if (!hasReason(error, 'NotFound', 'Conflict')) throw error;
    }
  }
}
