/** A local, always current copy of what the API holds of a kind. Level-driven: users learn which key to look at again. */
import type { Kind } from '#api/machinery/kind.ts';
import type { KubeObject, ObjectKey, ResourceVersion } from '#api/machinery/object.ts';
import type { IndexKeys } from './object-cache.ts';

export interface Informer<T extends KubeObject> {
  /** Frozen; undefined when there is none (as far as this copy has come). */
  get(key: ObjectKey): T | undefined;
  /** Frozen objects in no promised order. */
  list(): T[];
  /** How many `list` gives. */
  readonly size: number;
  inNamespace(namespace: string): T[];
  /** Those that `indexKeys` gives this key for. The index is made when it is asked for first, and belongs to the function: keep one. */
  by(indexKeys: IndexKeys<T>, indexKey: string): T[];
  /** True once the first listing is complete. */
  readonly hasSynced: boolean;
  /** How far this copy has come: every change up to here is in it. */
  readonly resourceVersion: ResourceVersion;
  /** Called whenever `resourceVersion` may have moved, also when nothing in this copy changed. */
  onProgress(listener: () => void): () => void;
  /** Called synchronously after each change; exactly one of the two is undefined for a creation or a deletion. */
  onChange(listener: (change: { key: ObjectKey; now: T | undefined; before: T | undefined }) => void): () => void;
}

export interface IndexedInformer<T extends KubeObject> extends Informer<T> {
  under(indexKey: string): T[];
}

export interface Informers {
  /** One informer a kind (and selector), shared by all who ask. */
  for<T extends KubeObject>(
    kind: Kind<T>,
    scope?: { namespace?: string; labelSelector?: string; fieldSelector?: string },
  ): Informer<T>;
  /**
   * Of each object only who it is and whose (`identity.ts`): for those who follow every kind there is. Whole objects where
   * somebody follows those already.
   */
  identities(kind: Kind): Informer<KubeObject>;
  indexed<T extends KubeObject>(
    kind: Kind<T>,
    indexKeys: IndexKeys<T>,
    of?: { identities: boolean },
  ): IndexedInformer<T>;
  /** Resolves when all that were asked for so far have listed once. */
  synced(signal?: AbortSignal): Promise<void>;
}

/** For those who follow single objects, and not for ever. */
export interface ReleasableInformers extends Informers {
  /** Ends one informer: nobody in the process wants it any more. */
  letGo(kind: Kind, scope: { namespace?: string; labelSelector?: string; fieldSelector?: string }): void;
}
