/** JSON Merge Patch (RFC 7386): what is null in the patch goes, what is an object is merged, anything else replaces. */
import { fieldOf, isJsonObject, type Json, type JsonObject, objectOf } from './json-value.ts';
import { badRequest } from './status.ts';

/** Deeper is no object of the API. */
export const MAX_PATCH_DEPTH = 200;

/** A new document; what does not change is shared. Throws 400 for a patch that is too deep. */
export function applyMergePatch(document: Json, patch: Json, depth = 0): Json {
  if (!isJsonObject(patch)) return patch;
  if (depth > MAX_PATCH_DEPTH) throw badRequest('the patch is nested too deeply');
  const base: JsonObject = isJsonObject(document) ? document : {};
  const changed = new Map(Object.entries(base));
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) changed.delete(key);
    else changed.set(key, applyMergePatch(fieldOf(base, key) ?? null, value, depth + 1));
  }
  return objectOf(changed);
}
