/**
 * A patch as it was sent: read once, then applied to whatever is stored, again after every conflict. What comes out
 * has gone through the same shaping as a body of its own. Source: "Update API Objects in Place"; upstream's
 * handlers/patch.go.
 */
import { facts } from '#api/generated/facts.ts';
import { parseJsonStrictly } from '#api/machinery/codec-json.ts';
import { invalidValue } from '#api/machinery/field-error.ts';
import { goText } from '#api/machinery/go-text.ts';
import { applyJsonPatch } from '#api/machinery/json-patch.ts';
import { readJsonPatchStrictly, unfitValue } from '#api/machinery/json-patch-operations.ts';
import { isJsonObject, type Json, type JsonObject } from '#api/machinery/json-value.ts';
import { applyMergePatch } from '#api/machinery/merge-patch.ts';
import { strictProblem, unknownFieldText } from '#api/machinery/normalise.ts';
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

/** Throws UnsupportedMediaType. A body that is no patch is refused when there is an object for it, as upstream does. */
export function readPatch(type: ShapedType, body: RequestBody | undefined): Patch {
  const mediaType = mediaTypeOf(body?.contentType);
  const accepted = [JSON_PATCH, MERGE_PATCH, ...(type.facts ? [STRATEGIC_MERGE_PATCH] : []), APPLY_PATCH];
  if (!body || mediaType === APPLY_PATCH || !accepted.includes(mediaType)) throw refuseMediaType(accepted);
  const format = FORMATS[mediaType]!;
  const read = readJson(body);
  return (current, options) => {
    const reading = format(read, options.fieldValidation !== 'Ignore');
    if ('problem' in reading) throw badRequest(reading.problem);
    return checked(
      type,
      { patched: reading.apply(current as Json, type), current },
      { found: reading.found, shown: reading.shown, ...options },
    );
  };
}

type Read = { value: Json; duplicates: readonly string[] } | { problem: string };

/** `found`: what a strict reader has seen, `duplicate field "data.a"`. `shown`: in refusals, if not what was patched. */
type Reading =
  | { apply: (current: Json, type: ShapedType) => Json; found: readonly string[]; shown?: () => string }
  | { problem: string };

/** Upstream reads a patch with one decoder or, where fields are validated, with two, each of which has its own words. */
const FORMATS: Readonly<Record<string, (read: Read, isValidated: boolean) => Reading>> = {
  [JSON_PATCH](read, isValidated) {
    if ('problem' in read) return { problem: isValidated ? `error decoding patch: ${read.problem}` : read.problem };
    const { value, duplicates } = read;
    const { problem, unknown } = isValidated ? readJsonPatchStrictly(value) : { unknown: [] };
    if (problem) return { problem: `error decoding patch: ${problem}` };
    const found = [...duplicates, ...unknown.map(unknownFieldText)].map((text) => `json patch ${text}`);
    return { apply: (current) => applyJsonPatch(current, value), found };
  },
  [MERGE_PATCH](read, isValidated) {
    const problem = problemOfMap(read);
    if (problem && isValidated) return { problem: `error decoding patch: ${problem}` };
    if (problem || 'problem' in read || read.value === null) return { problem: 'Invalid JSON Patch' };
    const { value, duplicates } = read;
    return { apply: (current) => applyMergePatch(current, value), found: duplicates };
  },
  [STRATEGIC_MERGE_PATCH](read) {
    const problem = problemOfMap(read);
    if (problem || 'problem' in read) return { problem: problem ?? '' };
    const patch = (read.value ?? {}) as JsonObject;
    return {
      apply: (current, { facts: type }) => applyStrategicMergePatch(current as JsonObject, patch, { facts, type }),
      found: read.duplicates,
      shown: () => goText(patch),
    };
  },
};

function problemOfMap(read: Read): string | undefined {
  if ('problem' in read) return read.problem;
  if (read.value === null || isJsonObject(read.value)) return undefined;
  return unfitValue(read.value, 'Go value of type map[string]interface {}');
}

function readJson(body: RequestBody): Read {
  if ('object' in body) return { value: body.object as Json, duplicates: [] };
  const parsed = parseJsonStrictly(new TextDecoder().decode(body.bytes));
  return 'problem' in parsed ? parsed : { value: parsed.value as Json, duplicates: parsed.strictErrors };
}

function checked(
  type: ShapedType,
  { patched, current }: { patched: Json; current: object },
  {
    fieldValidation,
    warn,
    found,
    shown,
  }: DecodeOptions & { found: readonly string[]; shown?: (() => string) | undefined },
): Record<string, unknown> {
  const refuse = (problem: string) =>
    invalid(NO_TYPE, '', [invalidValue('patch', shown?.() ?? JSON.stringify(patched), problem)]);
  const { object, unknownFields } = reshape(type, withType(type, patched), { from: current, refuse });
  const errors = [...found, ...unknownFields];
  if (errors.length > 0 && fieldValidation === 'Strict') throw refuse(strictProblem(errors));
  if (fieldValidation === 'Warn') for (const text of errors) warn(text);
  return object;
}

const NO_TYPE = { group: '', kind: '' };

/** A patch cannot make another kind of an object. */
function withType({ apiVersion, kind }: BodyType & { apiVersion: string }, patched: Json): unknown {
  return isJsonObject(patched) ? { ...patched, apiVersion, kind } : patched;
}
