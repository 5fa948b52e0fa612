/**
 * A patch as it was sent: read once, then applied to whatever is stored, again after every conflict. What comes out
 * has gone through the same shaping as a body of its own. Source: "Update API Objects in Place"; upstream's
 * handlers/patch.go.
 */
import { facts } from '#api/generated/facts.ts';
import { parseJson, parseJsonStrictly } from '#api/machinery/codec-json.ts';
import { invalidValue } from '#api/machinery/field-error.ts';
import { applyJsonPatch } from '#api/machinery/json-patch.ts';
import { isJsonObject, type Json, type JsonObject } from '#api/machinery/json-value.ts';
import { applyMergePatch } from '#api/machinery/merge-patch.ts';
import { strictProblem } from '#api/machinery/normalise.ts';
import { badRequest, invalid } from '#api/machinery/status.ts';
import { applyStrategicMergePatch } from '#api/machinery/strategic-merge-patch.ts';
import { type BodyType, type DecodeOptions, reshape, type ShapedType } from '../decode-object.ts';
import { mediaTypeOf, type RequestBody, refuseMediaType } from '../request-body.ts';

export const JSON_PATCH = 'application/json-patch+json';
export const MERGE_PATCH = 'application/merge-patch+json';
export const STRATEGIC_MERGE_PATCH = 'application/strategic-merge-patch+json';

export const APPLY_PATCH = 'application/apply-patch+yaml';

/** The patched object, shaped and frozen. Throws BadRequest, Invalid. */
export type Patch = (current: object, options: DecodeOptions) => Record<string, unknown>;

/** Throws UnsupportedMediaType and BadRequest. */
export function readPatch(type: ShapedType, body: RequestBody | undefined): Patch {
  const mediaType = mediaTypeOf(body?.contentType);
  const accepted = [JSON_PATCH, MERGE_PATCH, ...(type.facts ? [STRATEGIC_MERGE_PATCH] : []), APPLY_PATCH];
  if (!body || mediaType === APPLY_PATCH || !accepted.includes(mediaType)) throw refuseMediaType(accepted);
  const { value, duplicates } = readJson(body);
  if (mediaType !== JSON_PATCH && !isJsonObject(value)) throw badRequest('Invalid JSON Document');
  const apply = applierOf(type, mediaType, value);
  return (current, options) => {
    const patched = apply(current as Json);
    return checked(type, { patched, current }, { ...options, duplicates });
  };
}

function applierOf(type: ShapedType, mediaType: string, patch: Json): (current: Json) => Json {
  if (mediaType === JSON_PATCH) return (current) => applyJsonPatch(current, patch);
  if (mediaType === MERGE_PATCH) return (current) => applyMergePatch(current, patch);
  return (current) => applyStrategicMergePatch(current as JsonObject, patch as JsonObject, { facts, type: type.facts });
}

function readJson(body: RequestBody): { value: Json; duplicates: readonly string[] } {
  if ('object' in body) return { value: body.object as Json, duplicates: [] };
  const text = new TextDecoder().decode(body.bytes);
  const parsed = parseJsonStrictly(text);
  if ('problem' in parsed) {
    const lenient = parseJson(text);
    throw badRequest(`error decoding patch: ${'problem' in lenient ? lenient.problem : parsed.problem}`);
  }
  return { value: parsed.value as Json, duplicates: parsed.strictErrors };
}

function checked(
  type: ShapedType,
  { patched, current }: { patched: Json; current: object },
  { fieldValidation, warn, duplicates }: DecodeOptions & { duplicates: readonly string[] },
): Record<string, unknown> {
  const refuse = (problem: string) => invalid(NO_TYPE, '', [invalidValue('patch', JSON.stringify(patched), problem)]);
  const { object, unknownFields } = reshape(type, withType(type, patched), { from: current, refuse });
  const errors = [...duplicates, ...unknownFields];
  if (errors.length > 0 && fieldValidation === 'Strict') throw refuse(strictProblem(errors));
  if (fieldValidation === 'Warn') for (const text of errors) warn(text);
  return object;
}

const NO_TYPE = { group: '', kind: '' };

/** A patch cannot make another kind of an object. */
function withType({ apiVersion, kind }: BodyType & { apiVersion: string }, patched: Json): unknown {
  return isJsonObject(patched) ? { ...patched, apiVersion, kind } : patched;
}
