/**
 * DELETE of a collection: of each object that the selectors match, one after the other; what is gone meanwhile is no
 * error.
 */
import { hasReason } from '#api/machinery/status.ts';
import { listOptionsOf } from '../list-options.ts';
import type { VerbServices } from '../registry/behaviour.ts';
import type { Reply, ResourceCall } from '../resource-call.ts';
import { removeStored } from './delete.ts';
import { deleteOptionsOf } from './delete-options.ts';

/** Few enough to leave the store to others, enough to share its flushes. */
const AT_ONCE = 32;

export async function removeCollection(call: ResourceCall, services: VerbServices): Promise<Reply> {
  const { kind, info } = call;
  const options = deleteOptionsOf(call); //                              400 BadRequest, 422 Invalid
  const page = await services.caches.of(kind).list(listOptionsOf(kind, info));
  const waiting = [...page.items].reverse();
  const worker = async () => {
    for (let item = waiting.pop(); item; item = waiting.pop()) {
      const at = { name: item.name, ...(item.namespace && { namespace: item.namespace }) };
      try {
        await removeStored({ ...call, info: { ...info, ...at } }, { at, options }, services);
      } catch (error) {
        if (!hasReason(error, 'NotFound')) throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, page.items.length) }, worker));
  return { code: 200, page, kind };
}
