/** PATCH of one object: computed against the stored state, again whenever somebody else was faster. */
import type { KubeObject } from '#api/machinery/object.ts';
import { shapedTypeOf } from '../decode-object.ts';
import { mediaTypeOf } from '../request-body.ts';
import type { VerbServices } from '../registry/behaviour.ts';
import type { Reply, ResourceCall } from '../resource-call.ts';
import { apply } from './apply.ts';
import { inNamespace } from './object-identity.ts';
import { APPLY_PATCH, readPatch } from './patch-body.ts';
import { updateStored } from './stored-update.ts';
import { writeOptionsOf } from './write-options.ts';

export async function patch<T extends KubeObject>(call: ResourceCall<T>, services: VerbServices): Promise<Reply> {
  const { kind, info } = call;
  if (mediaTypeOf(call.body?.contentType) === APPLY_PATCH) return apply(call, services);
  const patched = readPatch(shapedTypeOf(kind), call.body); //                         400 BadRequest, 415
  const { dryRun, fieldValidation } = writeOptionsOf(info.query, 'PatchOptions'); // 422 Invalid
  const warnings = new Set<string>();
  const next = (current: T): T => {
    warnings.clear(); // only those of the attempt that counts
    const object = patched(current, { fieldValidation, warn: (text) => warnings.add(text) }); // 400, 422
    return inNamespace(kind, kind.defaults(object as unknown as T), info.namespace);
  };
  const reply = await updateStored(call, { next, dryRun }, services); //             404, 409, 422, 403
  for (const text of warnings) call.warn(text);
  return reply;
}
