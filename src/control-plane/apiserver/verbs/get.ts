/** GET of one object. Source: API concepts, "Resource versions" for the meaning of `resourceVersion`. */
import type { KubeObject } from '#api/machinery/object.ts';
import { notFound } from '#api/machinery/status.ts';
import { revisionOf } from '../list-options.ts';
import type { VerbServices } from '../registry/behaviour.ts';
import { formOf } from '../registry/caches.ts';
import { locationOf, type Reply, type ResourceCall } from '../resource-call.ts';
import { storageKey } from '../watch-cache/stored-object.ts';
import type { Freshness } from '../watch-cache/watch-cache.ts';

export async function get<T extends KubeObject>(call: ResourceCall<T>, { caches }: VerbServices): Promise<Reply> {
  const { kind, info } = call;
  const freshness = freshnessOf(info.query.get('resourceVersion') ?? '');
  const found = await caches.of(kind).get(storageKey(kind, locationOf(call)), freshness); // 504 when too new a version
  if (!found) throw notFound(kind, info.name);
  return {
    code: 200,
    kind,
    cached: found,
    get object() {
      return found.object(formOf(kind)); // mostly its bytes are sent, and nobody asks
    },
  };
}

function freshnessOf(resourceVersion: string): Freshness {
  if (resourceVersion === '') return 'newest';
  if (resourceVersion === '0') return 'any';
  return { notOlderThan: revisionOf(resourceVersion) };
}
