/** Writes pods' statuses to the API: the newest one of each pod, one write at a time, again while the server is away. */
import { Pod } from '#api/core/v1/pod.ts';
import { isTerminal } from '#api/core/v1/pod-conditions.ts';
import type { PodStatus } from '#api/generated/schema.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { hasReason, StatusError } from '#api/machinery/status.ts';
import { type Clock, sleep } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Client } from '#client/client.ts';
import { Unreachable } from '#client/transport.ts';
import { OWN_CONDITIONS } from './pod-conditions.ts';

interface Writing {
  pod: Pod;
  /** undefined: nothing to write. */
  wanted: PodStatus | undefined;
  written: PodStatus | undefined;
  /** Of the object, when that was written. */
  version: number;
  busy: Promise<void> | undefined;
}

export interface StatusWriterOptions {
  client: Client;
  clock: Clock;
  log: Log;
  signal: AbortSignal;
  /** The object of the API that shows the pod; undefined: there is none yet. */
  shownAs(pod: Pod): Pod | undefined;
}

const RETRY_MS = { least: 200, most: 10_000 };

export class StatusWriter {
  readonly #options: StatusWriterOptions;
  readonly #pods = new Map<string, Writing>();

  constructor(options: StatusWriterOptions) {
    this.#options = options;
  }

  /** The newest status of this pod, written or not. */
  statusOf(podUid: string): PodStatus | undefined {
    const writing = this.#pods.get(podUid);
    return writing?.wanted ?? writing?.written;
  }

  /** A pod that has ended stays as it ended: nothing but its details may still change. */
  set(pod: Pod, status: PodStatus): void {
    const { uid } = pod.metadata;
    const writing = this.#pods.get(uid) ?? { pod, wanted: undefined, written: undefined, version: 0, busy: undefined };
    this.#pods.set(uid, writing);
    writing.pod = pod;
    const before = this.statusOf(uid) ?? pod.status;
    const phase = before && isTerminal({ status: before }) ? before.phase : status.phase;
    const next = { ...status, phase };
    if (isEqual(next, writing.wanted ?? writing.written ?? pod.status)) return;
    writing.wanted = next;
    this.#begin(writing);
  }

  /** What shows it in the API is new, and knows nothing of it. */
  writeAgain(podUid: string): void {
    const writing = this.#pods.get(podUid);
    if (!writing) return;
    writing.wanted ??= writing.written;
    this.#begin(writing);
  }

  /** As the API shows it now. Where somebody else took back what this kubelet says of it, it says that again. */
  seen(shown: Pod, podUid = shown.metadata.uid): void {
    const writing = this.#pods.get(podUid);
    const { written } = writing ?? {};
    if (!writing || !written || writing.wanted || Number(shown.metadata.resourceVersion) < writing.version) return;
    const others = (shown.status?.conditions ?? []).filter(({ type }) => !OWN_CONDITIONS.has(type));
    const mine = (written.conditions ?? []).filter(({ type }) => OWN_CONDITIONS.has(type));
    const isShown = mine.every(({ type, status }) =>
      shown.status?.conditions?.some((condition) => condition.type === type && condition.status === status),
    );
    if (isShown && shown.status?.phase === written.phase) return;
    writing.wanted = { ...written, conditions: [...mine, ...others] };
    this.#begin(writing);
  }

  #begin(writing: Writing): void {
    writing.busy ??= this.#write(writing).finally(() => {
      writing.busy = undefined;
    });
  }

  /** Resolves when nothing of this pod waits to be written. */
  async settled(podUid: string): Promise<void> {
    await this.#pods.get(podUid)?.busy;
  }

  /** Tells the API that nothing is left of the pod: the last step of a deletion. */
  async deleteForGood({ metadata }: Pod): Promise<void> {
    await this.settled(metadata.uid);
    const at = { name: metadata.name, ...(metadata.namespace && { namespace: metadata.namespace }) };
    await this.#insist(() =>
      this.#options.client.delete(Pod, at, { gracePeriodSeconds: 0, preconditions: { uid: metadata.uid } }),
    );
  }

  forget(podUid: string): void {
    this.#pods.delete(podUid);
  }

  async #write(writing: Writing): Promise<void> {
    while (writing.wanted && !this.#options.signal.aborted) {
      const status = writing.wanted;
      const shown = this.#options.shownAs(writing.pod);
      if (!shown) return; // written when there is one
      const { metadata } = shown;
      const at = { name: metadata.name, namespace: metadata.namespace ?? '', subresource: 'status' };
      const gone = Object.keys(shown.status ?? {}).filter((key) => !(key in status));
      const cleared = Object.fromEntries(gone.filter((key) => OWN_FIELDS.has(key)).map((key) => [key, null]));
      const patch = { metadata: { uid: metadata.uid }, status: { ...cleared, ...status } };
      const write = () => this.#options.client.patch(Pod, at, { type: 'merge', patch });
      const answer = await this.#insist(write, () => writing.wanted === status);
      if (!answer && writing.wanted !== status) continue; // it was refused, or not heard: the newer one may be taken
      writing.written = status;
      writing.version = Number(answer?.metadata.resourceVersion ?? writing.version);
      if (writing.wanted === status) writing.wanted = undefined;
    }
  }

  /** Tries until the server has answered, or nobody wants it any more. A pod that is gone, or another of its name, is no failure. */
  async #insist<T>(call: () => Promise<T>, isWanted = () => true): Promise<T | undefined> {
    const { clock, log, signal } = this.#options;
    for (let waitMs = RETRY_MS.least; !signal.aborted && isWanted(); waitMs = Math.min(waitMs * 2, RETRY_MS.most)) {
      try {
        return await call();
      } catch (error) {
        if (signal.aborted || hasReason(error, 'NotFound', 'Conflict')) return undefined;
        if (!(error instanceof StatusError) && !(error instanceof Unreachable)) throw error;
        log.warn('cannot write a pod’s status', { error: error.message });
        await sleep(clock, waitMs, signal).catch(() => undefined); // aborted: the loop ends
      }
    }
    return undefined;
  }
}

/** What the kubelet says and may take back. Others' fields (nominatedNodeName, resourceClaimStatuses …) stay. */
const OWN_FIELDS = new Set([
  'message',
  'reason',
  'podIP',
  'podIPs',
  'initContainerStatuses',
  'ephemeralContainerStatuses',
]);
