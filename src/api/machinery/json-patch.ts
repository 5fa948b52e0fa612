/**
 * JSON Patch (RFC 6902), with upstream's limit on how many operations one patch may hold. Errors are those that the API
 * server sends: 400 for a patch that is none, 413 for too many operations, 422 for one that does not fit the object, or
 * copies too much.
 */
import { isEqual } from './equal.ts';
import { fieldOf, isJsonObject, type Json, withField, withoutField } from './json-value.ts';
import { badRequest, StatusError, tooLarge } from './status.ts';

const MAX_OPERATIONS = 10_000;
const MAX_DEPTH = 200;
/** What copies may add up to, in characters of JSON: a patch of a few bytes must not make an object of gigabytes. */
const MAX_COPIED = 3 * 1024 * 1024;

interface Operation {
  op: string;
  path: string;
  from?: string;
  value?: Json;
}

/** A new document; what does not change is shared with the old one. Throws StatusError. */
export function applyJsonPatch(document: Json, patch: unknown): Json {
  const operations = operationsOf(patch);
  let copied = 0;
  let now = document;
  for (const operation of operations) {
    if (operation.op === 'copy') {
      copied += JSON.stringify(read(now, operation.from ?? '', 'copy')).length;
      if (copied > MAX_COPIED)
        throw unfit(
          `Unable to complete the copy, the accumulated size increase of copy is ${copied}, exceeding the limit ${MAX_COPIED}`,
        );
    }
    now = apply(now, operation);
  }
  return now;
}

function operationsOf(patch: unknown): Operation[] {
  if (!Array.isArray(patch))
    throw badRequest('error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch');
  if (patch.length > MAX_OPERATIONS)
    throw tooLarge(
      `Request entity too large: The allowed maximum operations in a JSON patch is ${MAX_OPERATIONS}, got ${patch.length}`,
    );
  return patch.map((operation: unknown) => {
    const { op, path, from } = isJsonObject(operation) ? operation : {};
    if (typeof op !== 'string' || typeof path !== 'string' || (from !== undefined && typeof from !== 'string'))
      throw badRequest('error decoding patch: every operation needs an op and a path');
    if (path.split('/').length > MAX_DEPTH) throw badRequest('error decoding patch: path is too deep');
    return operation as unknown as Operation;
  });
}

function apply(document: Json, { op, path, from = '', value }: Operation): Json {
  switch (op) {
    case 'add':
      return add(document, path, given(value, op, path), op);
    case 'remove':
      return remove(document, path);
    case 'replace':
      read(document, path, op);
      return path === '' ? given(value, op, path) : replace(document, path, given(value, op, path));
    case 'move': {
      const moved = read(document, from, op);
      if (path === from) return document;
      if (path.startsWith(`${from}/`)) throw unfit(`move operation does not apply: ${path} lies in ${from}`);
      return add(remove(document, from), path, moved, op);
    }
    case 'copy':
      return add(document, path, read(document, from, op), op);
    case 'test': {
      const found = lookUp(document, tokensOf(path));
      if (found === undefined && value !== null && value !== undefined)
        throw unfit(`testing path ${path} failed: test failed`);
      if (!isSame(found ?? null, value ?? null)) throw unfit(`testing value ${path} failed: test failed`);
      return document;
    }
    default:
      throw unfit(`Unexpected kind: ${op}`);
  }
}

const isSame = (a: Json, b: Json) =>
  Array.isArray(a) || Array.isArray(b) || isJsonObject(a) ? strictlyEqual(a, b) : a === b;

/** isEqual takes an empty list for an absent one; a test does not. */
function strictlyEqual(a: Json, b: Json): boolean {
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((item, i) => isSame(item, b[i]!));
  if (!isJsonObject(a) || !isJsonObject(b)) return isEqual(a, b);
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && isSame(a[key]!, b[key]!))
  );
}

function given(value: Json | undefined, op: string, path: string): Json {
  if (value === undefined) throw badRequest(`error decoding patch: ${op} operation at ${path} needs a value`);
  return value;
}

/** `/a~1b/0` → `a/b`, `0`. */
function tokensOf(path: string): string[] {
  if (path === '') return [];
  if (!path.startsWith('/')) throw unfit(`path ${JSON.stringify(path)} does not begin with a slash`);
  return path
    .slice(1)
    .split('/')
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function lookUp(document: Json, tokens: readonly string[]): Json | undefined {
  let found: Json | undefined = document;
  for (const token of tokens) {
    if (Array.isArray(found)) found = found[indexIn(found, token)];
    else found = isJsonObject(found) ? fieldOf(found, token) : undefined;
    if (found === undefined) return undefined;
  }
  return found;
}

function read(document: Json, path: string, op: string): Json {
  const found = lookUp(document, tokensOf(path));
  if (found === undefined) throw missing(op, path);
  return found;
}

const indexIn = (list: readonly Json[], token: string): number =>
  /^(0|[1-9]\d{0,9})$/.test(token) && Number(token) < list.length ? Number(token) : -1;

/** Rebuilds what stands on the way to the last token, and lets `change` make the new container of it. */
function rebuilt(
  document: Json,
  tokens: readonly string[],
  change: (container: Json, token: string) => Json | undefined,
  fail: () => StatusError,
): Json {
  const [token, ...rest] = tokens as [string, ...string[]];
  if (rest.length === 0) {
    const changed = change(document, token);
    if (changed === undefined) throw fail();
    return changed;
  }
  const child = lookUp(document, [token]);
  if (child === undefined) throw fail();
  const made = rebuilt(child, rest, change, fail);
  if (Array.isArray(document)) return document.with(indexIn(document, token), made);
  return isJsonObject(document) ? withField(document, token, made) : document;
}

function add(document: Json, path: string, value: Json, op: string): Json {
  if (path === '') return value;
  const change = (container: Json, token: string) => {
    if (Array.isArray(container)) {
      const at = token === '-' || token === String(container.length) ? container.length : indexIn(container, token);
      return at < 0 ? undefined : container.toSpliced(at, 0, value);
    }
    return isJsonObject(container) ? withField(container, token, value) : undefined;
  };
  return rebuilt(document, tokensOf(path), change, () => missing(op, path));
}

function replace(document: Json, path: string, value: Json): Json {
  const change = (container: Json, token: string) => {
    if (Array.isArray(container)) return container.with(indexIn(container, token), value);
    return isJsonObject(container) ? withField(container, token, value) : undefined;
  };
  return rebuilt(document, tokensOf(path), change, () => missing('replace', path));
}

function remove(document: Json, path: string): Json {
  if (path === '') return null;
  const change = (container: Json, token: string) => {
    if (Array.isArray(container)) {
      const at = indexIn(container, token);
      return at < 0 ? undefined : container.toSpliced(at, 1);
    }
    if (!isJsonObject(container) || !Object.hasOwn(container, token)) return undefined;
    return withoutField(container, token);
  };
  return rebuilt(document, tokensOf(path), change, () => missing('remove', path));
}

const missing = (op: string, path: string) =>
  unfit(
    `${op} operation does not apply: doc is missing ${op === 'remove' ? 'key' : 'path'}: ${JSON.stringify(path)}: missing value`,
  );

/** 422: the patch is one, but not of this object. Upstream does not say why; `cause` does, for logs. */
const unfit = (why: string): StatusError =>
  new StatusError('Invalid', 'the server rejected our request due to an error in our request', {
    details: {},
    cause: why,
  });
