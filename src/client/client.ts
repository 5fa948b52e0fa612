/** The typed client: one method a verb, over any Transport. Objects that it returns are frozen. */
import type { Kind } from '#api/machinery/kind.ts';
import { apiVersionOf, pathOf } from '#api/machinery/kind.ts';
import type { KubeList, KubeObject } from '#api/machinery/object.ts';
import type { Followable } from '#base/followable.ts';
import type { Signal } from '#base/plain-signal.ts';
import type { Transport, WatchEvent } from './transport.ts';

export interface Named {
  name: string;
  namespace?: string;
}

export interface ListOptions {
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
  limit?: number;
  continue?: string;
  resourceVersion?: string;
  resourceVersionMatch?: 'Exact' | 'NotOlderThan';
}

export interface DeleteOptions {
  gracePeriodSeconds?: number;
  propagationPolicy?: 'Background' | 'Foreground' | 'Orphan';
  preconditions?: { uid?: string; resourceVersion?: string };
}

export type PatchType = 'json' | 'merge' | 'strategic';
const PATCH_MEDIA_TYPES: Record<PatchType, string> = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
};

const APPLY_MEDIA_TYPE = 'application/apply-patch+yaml';

/** What a create or an update may leave out: the server assigns it. */
export type Draft<T extends KubeObject> = Omit<T, 'metadata' | 'apiVersion' | 'kind'> & {
  apiVersion?: string;
  kind?: string;
  metadata: Partial<T['metadata']>;
};

export class Client {
  readonly transport: Transport;

  constructor(transport: Transport) {
    this.transport = transport;
  }

  async get<T extends KubeObject>(kind: Kind<T>, at: Named): Promise<T> {
    return (await this.transport.request({ method: 'GET', path: pathOf(kind, at) })).object as T;
  }

  async list<T extends KubeObject>(kind: Kind<T>, options: ListOptions = {}): Promise<KubeList<T>> {
    const path = pathOf(kind, { ...(options.namespace && { namespace: options.namespace }) });
    const { object } = await this.transport.request({ method: 'GET', path: `${path}${queryOf(options)}` });
    return namingItems(kind, object as KubeList<T>);
  }

  watch<T extends KubeObject>(
    kind: Kind<T>,
    options: ListOptions & { signal: Signal; allowWatchBookmarks?: boolean; sendInitialEvents?: boolean },
  ): Followable<WatchEvent<T>> {
    const { namespace, signal } = options;
    const query = queryOf(options);
    const path = `${pathOf(kind, namespace ? { namespace } : {})}${query}${query ? '&' : '?'}watch=true`;
    return this.transport.watch({ path, signal }) as Followable<WatchEvent<T>>;
  }

  async create<T extends KubeObject>(kind: Kind<T>, object: Draft<T>): Promise<T> {
    const path = pathOf(kind, { ...(object.metadata.namespace && { namespace: object.metadata.namespace }) });
    return (await this.transport.request({ method: 'POST', path, object: typed(kind, object) })).object as T;
  }

  /** With the resourceVersion of `object`: 409 Conflict when somebody else was faster. */
  async update<T extends KubeObject>(kind: Kind<T>, object: Draft<T>, subresource?: string): Promise<T> {
    const { name, namespace } = object.metadata;
    const path = pathOf(kind, {
      name: name ?? '',
      ...(namespace && { namespace }),
      ...(subresource && { subresource }),
    });
    return (await this.transport.request({ method: 'PUT', path, object: typed(kind, object) })).object as T;
  }

  updateStatus<T extends KubeObject>(kind: Kind<T>, object: Draft<T>): Promise<T> {
    return this.update(kind, object, 'status');
  }

  async patch<T extends KubeObject>(
    kind: Kind<T>,
    at: Named & { subresource?: string },
    patch: { type: PatchType; patch: unknown },
  ): Promise<T> {
    const path = pathOf(kind, at);
    const contentType = PATCH_MEDIA_TYPES[patch.type];
    return (await this.transport.request({ method: 'PATCH', path, contentType, object: patch.patch })).object as T;
  }

  /** Server-side: these fields are the manager's from now on, and no others, whoever had them. */
  async apply<T extends KubeObject>(
    kind: Kind<T>,
    at: Named,
    { manager, fields }: { manager: string; fields: object },
  ): Promise<T> {
    const { name, namespace } = at;
    const metadata = { name, ...(namespace && { namespace }) };
    const path = `${pathOf(kind, at)}${queryOf({ fieldManager: manager, force: true })}`;
    const object = { apiVersion: apiVersionOf(kind), kind: kind.kind, metadata, ...fields };
    return (await this.transport.request({ method: 'PATCH', path, contentType: APPLY_MEDIA_TYPE, object })).object as T;
  }

  /** Resolves also when the object only began to go (finalizers, grace). Throws NotFound. */
  async delete<T extends KubeObject>(kind: Kind<T>, at: Named, options: DeleteOptions = {}): Promise<void> {
    const path = pathOf(kind, at);
    await this.transport.request({
      method: 'DELETE',
      path,
      object: { kind: 'DeleteOptions', apiVersion: 'v1', ...options },
    });
  }

  /** Of one namespace, or of all; by selectors, or everything. */
  async deleteCollection(kind: Kind, scope: ListOptions, options: DeleteOptions = {}): Promise<void> {
    const path = pathOf(kind, { ...(scope.namespace && { namespace: scope.namespace }) });
    await this.transport.request({
      method: 'DELETE',
      path: `${path}${queryOf(scope)}`,
      object: { kind: 'DeleteOptions', apiVersion: 'v1', ...options },
    });
  }

  /** A subresource that is a body of its own: binding, eviction, token. */
  async createSubresource(kind: Kind, at: Named & { subresource: string }, object: unknown): Promise<unknown> {
    return (await this.transport.request({ method: 'POST', path: pathOf(kind, at), object })).object;
  }
}

/** Who writes what was read, a little changed, has said so already: no need of a copy. */
function typed<T extends KubeObject>(kind: Kind<T>, object: Draft<T>): unknown {
  const apiVersion = apiVersionOf(kind);
  if (object.apiVersion === apiVersion && object.kind === kind.kind) return object;
  return { ...object, apiVersion, kind: kind.kind };
}

/** On the wire the items of a list of one kind do not say what they are; users of an object want to know. */
function namingItems<T extends KubeObject>(kind: Kind<T>, list: KubeList<T>): KubeList<T> {
  const items = list.items ?? [];
  if (items.every((item) => item.kind)) return list;
  const named = items.map((item) =>
    Object.freeze({ ...item, apiVersion: item.apiVersion ?? apiVersionOf(kind), kind: item.kind ?? kind.kind }),
  );
  return Object.freeze({ ...list, items: named });
}

/** Put together by hand: each list and each watch asks for it, and a URLSearchParams costs more than all else that they send. */
function queryOf(options: object): string {
  let query = '';
  for (const name in options) {
    const value = options[name as keyof typeof options] as unknown;
    if (value === undefined || name === 'namespace' || name === 'signal') continue;
    query += `${query ? '&' : '?'}${name}=${encodeURIComponent(String(value))}`;
  }
  return query;
}
