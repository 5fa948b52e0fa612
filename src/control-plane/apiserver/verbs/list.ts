/** GET of a collection: a page of cached objects, never copied or serialised anew. */
import { listOptionsOf } from '../list-options.ts';
import type { VerbServices } from '../registry/behaviour.ts';
import type { Reply, ResourceCall } from '../resource-call.ts';

export async function list({ kind, info }: ResourceCall, { caches }: VerbServices): Promise<Reply> {
  const options = listOptionsOf(kind, info); //                    400 BadRequest, 422 Invalid
  const page = await caches.of(kind).list(options); //             410 Expired, 504 Timeout
  return { code: 200, page, kind };
}
