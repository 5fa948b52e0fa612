/** GET of one object. Source: API concepts, "Resource versions" for the meaning of `resourceVersion`. */
import type { Kind } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { notFound } from '#api/machinery/status.ts';
import { type Soon, soon } from '#base/soon.ts';
import { revisionOf } from '../list-options.ts';
import type { VerbServices } from '../registry/behaviour.ts';
import { formOf } from '../registry/caches.ts';
import { locationOf, type Reply, type ResourceCall } from '../resource-call.ts';
import { storageKey } from '../watch-cache/stored-object.ts';
import type { CachedObject, Freshness } from '../watch-cache/watch-cache.ts';

export function get<T extends KubeObject>(call: ResourceCall<T>, { caches }: VerbServices): Soon<Reply> {
  const { kind, info } = call;
  const freshness = freshnessOf(info.query.get('resourceVersion') ?? '');
  const key = storageKey(kind, locationOf(call));
  return soon(caches.of(kind).get(key, freshness), (found) => {
    if (!found) throw notFound(kind, info.name);
    return new CachedReply(kind, found);
  }); // 504 when too new a version
}

/** Its object is parsed when somebody asks for it: mostly its bytes are sent. */
class CachedReply {
  readonly code = 200;
  readonly kind: Kind;
  readonly cached: CachedObject;

  constructor(kind: Kind, cached: CachedObject) {
    this.kind = kind;
    this.cached = cached;
  }

  get object(): object {
    return this.cached.object(formOf(this.kind));
  }
}

function freshnessOf(resourceVersion: string): Freshness {
  if (resourceVersion === '') return 'newest';
  if (resourceVersion === '0') return 'any';
  return { notOlderThan: revisionOf(resourceVersion) };
}
