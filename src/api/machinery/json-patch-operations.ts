/**
 * What a JSON patch is made of before it meets a document, and what is said of one that is none: in the words of the two
 * readers that upstream reads one with.
 */
import { isJsonObject, type Json, type JsonObject } from './json-value.ts';
import { badRequest, StatusError, tooLarge } from './status.ts';

const MAX_OPERATIONS = 10_000;

/** What is known of an operation before it is carried out: an op that is none, or a path, is refused in its turn only. */
export type Operation = JsonObject;

/** `null` is a patch that does nothing, and so is one of its operations that is: upstream knows no other `op` either. */
export function operationsOf(patch: unknown): Operation[] {
  const problem = jsonPatchProblem(patch);
  if (problem) throw badRequest(problem);
  const operations = (patch ?? []) as (Operation | null)[];
  if (operations.length > MAX_OPERATIONS)
    throw tooLarge(
      `Request entity too large: The allowed maximum operations in a JSON patch is ${MAX_OPERATIONS}, got ${operations.length}`,
    );
  return operations.map((operation) => operation ?? {});
}

/** Why a value is no JSON patch at all. */
export const jsonPatchProblem = (patch: unknown): string | undefined =>
  unreadablePatch(patch, 'jsonpatch.Patch', 'jsonpatch.Operation');

function unreadablePatch(patch: unknown, list: string, item: string): string | undefined {
  if (patch === null || patch === undefined) return undefined;
  if (!Array.isArray(patch)) return unfitValue(patch, `Go value of type ${list}`);
  const odd = patch.findIndex((operation: unknown) => operation !== null && !isJsonObject(operation));
  return odd < 0 ? undefined : unfitValue(patch[odd], `Go value of type ${item}`);
}

const TEXTS: ReadonlySet<string> = new Set(['op', 'path', 'from']);

/** What is wrong with a patch as the API server's strict reader of it says; `unknown`: as `[0].foo`. */
export function readJsonPatchStrictly(patch: unknown): { problem?: string; unknown: readonly string[] } {
  const unknown: string[] = [];
  const problem = unreadablePatch(patch, '[]handlers.jsonPatchOp', 'handlers.jsonPatchOp');
  if (problem || !Array.isArray(patch)) return problem ? { problem, unknown } : { unknown };
  for (const [index, operation] of patch.entries())
    for (const [key, value] of Object.entries((operation ?? {}) as JsonObject)) {
      if (TEXTS.has(key) && typeof value !== 'string' && value !== null)
        return { problem: unfitValue(value, `Go struct field jsonPatchOp.${key} of type string`), unknown };
      if (key !== 'value' && !TEXTS.has(key)) unknown.push(`[${index}].${key}`);
    }
  return { unknown };
}

/** As Go's reader of JSON says it. */
export const unfitValue = (value: unknown, type: string): string =>
  `json: cannot unmarshal ${typeName(value)} into ${type}`;

function typeName(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  return typeof value === 'boolean' ? 'bool' : typeof value;
}

/** Some operations of upstream's library do not say why a path cannot be had. */
const SAYS_LITTLE: ReadonlySet<string> = new Set(['add', 'remove', 'copy']);

export function pathOf(operation: Operation, op: string): string {
  const path = operation['path'];
  if (typeof path === 'string') return path;
  const why = path === undefined || path === null ? 'operation missing path field: missing value' : unfitText(path);
  throw unfit(`${op} operation failed to decode path: ${SAYS_LITTLE.has(op) ? 'missing value' : why}`);
}

export function fromOf(operation: Operation, op: string): string {
  const from = operation['from'];
  if (typeof from === 'string') return from;
  const why = from === undefined || from === null ? 'operation, missing from field: missing value' : unfitText(from);
  throw unfit(`${op} operation failed to decode from: ${why}`);
}

const unfitText = (value: Json): string => unfitValue(value, 'Go value of type string');

/** 422: the patch is one, but not of this object. Upstream does not tell a client why; `cause` does, for who may know. */
export const unfit = (why: string): StatusError =>
  new StatusError('Invalid', 'the server rejected our request due to an error in our request', {
    details: {},
    cause: why,
  });
