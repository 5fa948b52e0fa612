/**
 * The ConfigMaps and Secrets that the pods of this node name: each watched by itself while a pod names it, because a node
 * may read no others. Source: "Using Node Authorization".
 */
import { ConfigMap } from '#api/core/v1/config-map.ts';
import { Secret } from '#api/core/v1/secret.ts';
import type { Pod, VolumeProjection } from '#api/generated/schema.ts';
import type { Kind } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { StatusError } from '#api/machinery/status.ts';
import { type Clock, sleep } from '#base/clock.ts';
import type { Client } from '#client/client.ts';
import { FROM_NOW_ON, INITIAL_EVENTS_END } from '#client/reflector.ts';
import { Unreachable } from '#client/transport.ts';
import { everyContainer } from './pod-containers.ts';
import { unlessAborted } from './unless-aborted.ts';

interface Entry {
  kind: Kind;
  namespace: string;
  name: string;
  users: Set<string>;
  object: KubeObject | undefined;
  /** Those who wait for it have heard of it, or of a failure. */
  isTold: boolean;
  /** Resolves with the first answer; rejects with the first refusal and is made anew for the next try. */
  first: Promise<void>;
  stop: AbortController;
}

export interface ReferencedObjectsOptions {
  client: Client;
  clock: Clock;
  /** Something that this pod names has changed. */
  onChange(podUid: string): void;
}

const RETRY_MS = { least: 500, most: 30_000 };
/** An API that hangs must not hang the pod's worker: it says so, and looks again. */
const ANSWERED_WITHIN_MS = 10_000;
const MOST_REMEMBERED = 1_000;

export class ReferencedObjects {
  readonly #options: ReferencedObjectsOptions;
  readonly #entries = new Map<string, Entry>();
  /** Objects that were there when the last pod that named them went: ids only. */
  readonly #wereThere = new Set<string>();

  constructor(options: ReferencedObjectsOptions) {
    this.#options = options;
  }

  /** Watches what this pod names, and nothing that it no longer names. */
  follow(pod: Pod): void {
    const namespace = pod.metadata.namespace ?? '';
    const { configMaps, secrets } = namesIn(pod);
    const wanted = new Set([
      ...configMaps.map((name) => this.#use(ConfigMap, { namespace, name }, pod.metadata.uid)),
      ...secrets.map((name) => this.#use(Secret, { namespace, name }, pod.metadata.uid)),
    ]);
    this.#release(pod.metadata.uid, wanted);
  }

  forget(podUid: string): void {
    this.#release(podUid, new Set());
  }

  /**
   * Whether every object that it names can be expected to be there: one that was for an earlier pod is not waited for. Of
   * the others as soon as it is known of all; one that was refused, or not heard of, is not there.
   * @throws the signal's reason
   */
  async expectsAllOf(pod: Pod, signal: AbortSignal): Promise<boolean> {
    const namespace = pod.metadata.namespace ?? '';
    const { configMaps, secrets } = namesIn(pod);
    const named = (kind: Kind, names: readonly string[]) => names.map((name) => idOf(kind, { namespace, name }));
    const ids = [...named(ConfigMap, configMaps), ...named(Secret, secrets)];
    const unsure = ids.filter((id) => this.#entries.get(id)?.isTold || !this.#wereThere.has(id));
    const entries = unsure.map((id) => this.#entries.get(id));
    if (entries.some((entry) => !entry?.isTold))
      await unlessAborted(Promise.allSettled(entries.map((entry) => entry && this.#answerOf(entry))), signal);
    return entries.every((entry) => entry?.object !== undefined);
  }

  configMap = (namespace: string, name: string): Promise<ConfigMap | undefined> =>
    this.#get(ConfigMap, { namespace, name });
  secret = (namespace: string, name: string): Promise<Secret | undefined> => this.#get(Secret, { namespace, name });

  close(): void {
    for (const { stop } of this.#entries.values()) stop.abort();
    this.#entries.clear();
  }

  async #get<T extends KubeObject>(kind: Kind<T>, at: { namespace: string; name: string }): Promise<T | undefined> {
    const entry = this.#entries.get(idOf(kind, at));
    if (!entry) throw new Error(`${kind.plural} "${at.name}" is named by no pod of this node`);
    if (!entry.object) await this.#answerOf(entry);
    return entry.object as T | undefined;
  }

  /** @throws what the API says, or that it says nothing; the text is upstream's */
  async #answerOf({ kind, first }: Entry): Promise<void> {
    const answered = new AbortController();
    const late = sleep(this.#options.clock, ANSWERED_WITHIN_MS, answered.signal).then(
      () => {
        const what = kind.kind.toLowerCase();
        throw new Unreachable(`failed to sync ${what} cache: timed out waiting for the condition`);
      },
      () => undefined, // it was answered
    );
    try {
      await Promise.race([first, late]);
    } finally {
      answered.abort();
    }
  }

  #use(kind: Kind, at: { namespace: string; name: string }, podUid: string): string {
    const id = idOf(kind, at);
    const known = this.#entries.get(id);
    if (known) known.users.add(podUid);
    else this.#entries.set(id, this.#begin({ kind, ...at }, podUid));
    return id;
  }

  #release(podUid: string, except: ReadonlySet<string>): void {
    for (const [id, entry] of this.#entries) {
      if (except.has(id) || !entry.users.delete(podUid) || entry.users.size > 0) continue;
      entry.stop.abort();
      this.#entries.delete(id);
      this.#remember(id, entry.object !== undefined);
    }
  }

  #remember(id: string, wasThere: boolean): void {
    this.#wereThere.delete(id);
    if (wasThere) this.#wereThere.add(id);
    const [oldest] = this.#wereThere;
    if (oldest !== undefined && this.#wereThere.size > MOST_REMEMBERED) this.#wereThere.delete(oldest);
  }

  #begin(what: Pick<Entry, 'kind' | 'namespace' | 'name'>, podUid: string): Entry {
    const stop = new AbortController();
    const entry: Entry = {
      ...what,
      users: new Set([podUid]),
      object: undefined,
      isTold: false,
      first: Promise.resolve(),
      stop,
    };
    let answered: (error?: Error) => void = () => undefined;
    const renew = () => {
      entry.first = new Promise((resolve, reject) => {
        answered = (error) => (error ? reject(error) : resolve());
      });
      entry.first.catch(() => undefined); // nobody may be waiting
    };
    renew();
    void this.#keepCurrent(entry, (error) => {
      entry.isTold = true;
      answered(error);
      if (error) renew();
    });
    return entry;
  }

  async #keepCurrent(entry: Entry, answered: (error?: Error) => void): Promise<void> {
    const { signal } = entry.stop;
    let waitMs = RETRY_MS.least;
    while (!signal.aborted) {
      try {
        await this.#listAndWatch(entry, () => {
          waitMs = RETRY_MS.least;
          answered();
        });
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof StatusError) && !(error instanceof Unreachable)) throw error;
        answered(error);
        await sleep(this.#options.clock, waitMs, signal).catch(() => undefined); // aborted: the loop ends
        waitMs = Math.min(waitMs * 2, RETRY_MS.most);
      }
    }
  }

  /** One request tells what there is and what becomes of it (KEP-3157). */
  async #listAndWatch(entry: Entry, answered: () => void): Promise<void> {
    const { kind, namespace, name, stop } = entry;
    const scope = { namespace, fieldSelector: `metadata.name=${name}` };
    const { signal } = stop;
    const events = this.#options.client.watch(kind, { ...scope, ...FROM_NOW_ON, allowWatchBookmarks: true, signal });
    let isListed = false;
    let found: KubeObject | undefined;
    for await (const { type, object } of events) {
      if (type !== 'BOOKMARK') found = type === 'DELETED' ? undefined : object;
      const isEnd = type === 'BOOKMARK' && object.metadata.annotations?.[INITIAL_EVENTS_END] === 'true';
      if (!isListed && !isEnd) continue;
      this.#replace(entry, found);
      if (!isListed) answered();
      isListed = true;
    }
    if (!isListed) throw new Unreachable(`the watch of ${kind.kind} "${name}" ended before it had told what there is`);
  }

  #replace(entry: Entry, object: KubeObject | undefined): void {
    const changed = entry.object?.metadata.resourceVersion !== object?.metadata.resourceVersion;
    entry.object = object;
    if (changed && entry.isTold) for (const uid of entry.users) this.#options.onChange(uid);
  }
}

const idOf = ({ kind }: Kind, { namespace, name }: { namespace: string; name: string }): string =>
  `${kind}/${namespace}/${name}`;

/** The names of the objects that a pod's containers and volumes need. */
export function namesIn(pod: Pod): { configMaps: string[]; secrets: string[] } {
  const configMaps: (string | undefined)[] = [];
  const secrets: (string | undefined)[] = (pod.spec.imagePullSecrets ?? []).map(({ name }) => name);
  for (const { env = [], envFrom = [] } of everyContainer(pod)) {
    for (const { valueFrom } of env) {
      configMaps.push(valueFrom?.configMapKeyRef?.name);
      secrets.push(valueFrom?.secretKeyRef?.name);
    }
    for (const { configMapRef, secretRef } of envFrom) {
      configMaps.push(configMapRef?.name);
      secrets.push(secretRef?.name);
    }
  }
  const projections: VolumeProjection[] = (pod.spec.volumes ?? []).flatMap(({ projected }) => projected?.sources ?? []);
  for (const { configMap } of [...(pod.spec.volumes ?? []), ...projections]) configMaps.push(configMap?.name);
  for (const { secret } of pod.spec.volumes ?? []) secrets.push(secret?.secretName);
  for (const { secret } of projections) secrets.push(secret?.name);
  const named = (names: (string | undefined)[]) =>
    [...new Set(names.filter((name) => name !== undefined && name !== ''))] as string[];
  return { configMaps: named(configMaps), secrets: named(secrets) };
}
