/** An API server in memory, as small as the kubelet's tests allow: objects, watches, merge patches, graceful deletion. */
import type { KubeObject } from '#api/machinery/object.ts';
import { applyMergePatch } from '#api/machinery/merge-patch.ts';
import type { Json } from '#api/machinery/json-value.ts';
import { StatusError } from '#api/machinery/status.ts';
import { deepFreeze } from '#base/deep-freeze.ts';
import { INITIAL_EVENTS_END } from '#client/reflector.ts';
import type { ApiReply, ApiRequest, Transport, WatchEvent } from '#client/transport.ts';

type Listener = (event: WatchEvent, before: KubeObject | undefined) => void;
interface Place {
  /** `/api/v1/pods` */
  collection: string;
  namespace: string;
  name: string;
  subresource: string;
  query: URLSearchParams;
}

export class MemoryApi implements Transport {
  readonly #objects = new Map<string, KubeObject>();
  readonly #listeners = new Set<Listener>();
  readonly #history: { event: WatchEvent; before: KubeObject | undefined; revision: number }[] = [];
  #revision = 0;
  #uids = 0;
  /** Answers of subresources and virtual kinds: `POST serviceaccounts/token`, `POST tokenreviews`. */
  readonly answers = new Map<string, (body: unknown, place: Place) => unknown>();
  /** Every write, in order. */
  readonly requests: string[] = [];

  async request({ method, path, object }: ApiRequest): Promise<ApiReply> {
    const place = placeOf(path);
    if (method !== 'GET') this.requests.push(`${method} ${path}`);
    const reply = (answer: unknown, code = 200): ApiReply => ({ code, object: answer, warnings: [] });
    const resource = place.collection.split('/').at(-1);
    const special = this.answers.get(`${method} ${resource}${place.subresource ? `/${place.subresource}` : ''}`);
    if (special) return reply(special(object, place), 201);
    const key = keyIn(place);
    const there = this.#objects.get(key);
    switch (method) {
      case 'GET':
        if (!place.name) return reply(this.#list(place));
        return reply(there ?? notThere(place));
      case 'POST':
        return reply(this.#create(place, object as KubeObject), 201);
      case 'PUT':
        if (!there) return notThere(place);
        return reply(this.#put(key, { ...there, ...(object as KubeObject) }));
      case 'PATCH':
        return reply(this.#patch(place, object));
      case 'DELETE':
        return reply(this.#delete(place, object as { gracePeriodSeconds?: number }));
    }
  }

  async *watch({ path, signal }: { path: string; signal: AbortSignal }): AsyncGenerator<WatchEvent> {
    const place = placeOf(path);
    const beginsWithAll = place.query.get('sendInitialEvents') === 'true';
    const from = beginsWithAll ? this.#revision : Number(place.query.get('resourceVersion') ?? 0);
    const waiting: WatchEvent[] = beginsWithAll ? this.#initialEvents(place) : [];
    let wake: () => void = () => undefined;
    const hear: Listener = (event, before) => {
      const seen = asSeen(place, event, before);
      if (seen) waiting.push(seen);
      wake();
    };
    for (const { event, before, revision } of this.#history) if (revision > from) hear(event, before);
    const stop = () => wake();
    this.#listeners.add(hear);
    signal.addEventListener('abort', stop, { once: true });
    try {
      while (!signal.aborted) {
        const next = waiting.shift();
        if (next) yield next;
        else
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
      }
    } finally {
      this.#listeners.delete(hear);
      signal.removeEventListener('abort', stop);
    }
  }

  /** `/api/v1/namespaces/default/pods/web` */
  get<T extends KubeObject>(path: string): T | undefined {
    return this.#objects.get(keyIn(placeOf(path))) as T | undefined;
  }

  all<T extends KubeObject>(collection: string): T[] {
    return [...this.#objects].filter(([key]) => key.startsWith(`${collection}|`)).map(([, object]) => object as T);
  }

  /** Resolves when the object is as wanted; looks after every change of anything. */
  until<T extends KubeObject>(path: string, isWanted: (object: T | undefined) => boolean): Promise<T | undefined> {
    return new Promise((resolve) => {
      const look = () => {
        const object = this.get<T>(path);
        if (!isWanted(object)) return;
        this.#listeners.delete(look);
        resolve(object);
      };
      this.#listeners.add(look);
      look();
    });
  }

  #list(place: Place): unknown {
    const metadata = { resourceVersion: String(this.#revision) };
    return { kind: 'List', apiVersion: 'v1', metadata, items: this.#itemsOf(place) };
  }

  #itemsOf(place: Place): KubeObject[] {
    return [...this.#objects]
      .filter(([key, object]) => key.startsWith(`${place.collection}|`) && isIn(place, object))
      .map(([, object]) => object);
  }

  #initialEvents(place: Place): WatchEvent[] {
    const metadata = { resourceVersion: String(this.#revision), annotations: { [INITIAL_EVENTS_END]: 'true' } };
    const added = this.#itemsOf(place).map((object): WatchEvent => ({ type: 'ADDED', object }));
    return [...added, { type: 'BOOKMARK', object: { metadata } as unknown as KubeObject }];
  }

  #create(place: Place, object: KubeObject): KubeObject {
    const name = object.metadata.name || place.name;
    const key = keyIn({ ...place, name });
    if (this.#objects.has(key)) throw new StatusError('AlreadyExists', `"${name}" already exists`);
    const metadata = {
      ...object.metadata,
      name,
      ...(place.namespace && { namespace: place.namespace }),
      uid: `uid-${++this.#uids}`,
      creationTimestamp: new Date().toISOString(),
      generation: 1,
    };
    return this.#put(key, { ...object, metadata });
  }

  #patch(place: Place, patch: unknown): KubeObject {
    const key = keyIn(place);
    const there = this.#objects.get(key);
    if (!there) return notThere(place);
    const { metadata, status, ...rest } = patch as { metadata?: { uid?: string }; status?: unknown };
    if (metadata?.uid && metadata.uid !== there.metadata.uid) throw new StatusError('Conflict', 'the uid differs');
    const allowed = place.subresource === 'status' ? { status } : { ...(metadata && { metadata }), ...rest };
    return this.#put(key, applyMergePatch(there as unknown as Json, allowed as Json) as unknown as KubeObject);
  }

  #delete(
    place: Place,
    { gracePeriodSeconds, preconditions }: { gracePeriodSeconds?: number; preconditions?: { uid?: string } },
  ): KubeObject {
    const key = keyIn(place);
    const there = this.#objects.get(key);
    if (!there) return notThere(place);
    if (preconditions?.uid && preconditions.uid !== there.metadata.uid) throw new StatusError('Conflict', 'uid');
    const spec = (there as { spec?: { nodeName?: string; terminationGracePeriodSeconds?: number } }).spec;
    const grace = gracePeriodSeconds ?? spec?.terminationGracePeriodSeconds ?? 30;
    if (place.collection.endsWith('/pods') && spec?.nodeName && grace > 0) {
      const deletionTimestamp = there.metadata.deletionTimestamp ?? new Date(Date.now() + grace * 1000).toISOString();
      return this.#put(key, {
        ...there,
        metadata: { ...there.metadata, deletionTimestamp, deletionGracePeriodSeconds: grace },
      });
    }
    this.#objects.delete(key);
    this.#tell({ type: 'DELETED', object: this.#stamped(there) }, there);
    return there;
  }

  #stamped(object: KubeObject): KubeObject {
    return deepFreeze({ ...object, metadata: { ...object.metadata, resourceVersion: String(++this.#revision) } });
  }

  #put(key: string, object: KubeObject): KubeObject {
    const before = this.#objects.get(key);
    const stored = this.#stamped(structuredClone(object));
    this.#objects.set(key, stored);
    this.#tell({ type: before ? 'MODIFIED' : 'ADDED', object: stored }, before);
    return stored;
  }

  #tell(event: WatchEvent, before: KubeObject | undefined): void {
    this.#history.push({ event, before, revision: this.#revision });
    for (const listener of [...this.#listeners]) listener(event, before);
  }
}

function notThere({ collection, name }: Place): never {
  throw new StatusError('NotFound', `${collection.split('/').at(-1)} "${name}" not found`);
}

function placeOf(path: string): Place {
  const url = new URL(path, 'http://api');
  const parts = url.pathname.split('/').filter(Boolean);
  const root = parts.splice(0, parts[0] === 'api' ? 2 : 3);
  const namespace = parts[0] === 'namespaces' && parts.length > 2 ? (parts.splice(0, 2)[1] ?? '') : '';
  const [plural = '', name = '', subresource = ''] = parts;
  return { collection: `/${[...root, plural].join('/')}`, namespace, name, subresource, query: url.searchParams };
}

const keyIn = ({ collection, namespace, name }: Pick<Place, 'collection' | 'namespace' | 'name'>): string =>
  `${collection}|${namespace}|${name}`;

function isIn({ namespace, query }: Place, object: KubeObject): boolean {
  if (namespace && object.metadata.namespace !== namespace) return false;
  const selector = query.get('fieldSelector');
  if (!selector) return true;
  const [path = '', value] = selector.split('=');
  const found = path
    .split('.')
    .reduce<unknown>((here, field) => (here as Record<string, unknown> | undefined)?.[field], object);
  return found === value;
}

function asSeen(place: Place, event: WatchEvent, before: KubeObject | undefined): WatchEvent | undefined {
  const object = event.object;
  const plural = place.collection.split('/').at(-1);
  if (`${object.kind.toLowerCase()}s` !== plural) return undefined;
  const was = before !== undefined && isIn(place, before);
  const is = event.type !== 'DELETED' && isIn(place, object);
  if (is) return { type: was ? 'MODIFIED' : 'ADDED', object };
  return was ? { type: 'DELETED', object } : undefined;
}
