/**
 * JSON Patch (RFC 6902), with upstream's limit on how many operations one patch may hold. Errors are those that the API
 * server sends: 400 for a patch that is none, 413 for too many operations, 422 for one that does not fit the object, or
 * copies too much.
 */
import { isEqual } from './equal.ts';
import { fieldOf, isJsonObject, type Json, type JsonObject } from './json-value.ts';
import { setOwn } from './set-own.ts';
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
  const patched = new PatchedDocument(document);
  for (const operation of operationsOf(patch)) patched.apply(operation);
  return patched.root;
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

/** Containers are copied when they are first changed, then changed in place: ten thousand operations on one map are no more. */
class PatchedDocument {
  root: Json;
  readonly #own = new WeakSet<object>();
  #copied = 0;

  constructor(document: Json) {
    this.root = document;
  }

  apply({ op, path, from = '', value }: Operation): void {
    if (op === 'add') this.#add(path, given(value, op, path), op);
    else if (op === 'remove') this.#remove(path);
    else if (op === 'replace') this.#replace(path, given(value, op, path));
    else if (op === 'move') this.#move(from, path);
    else if (op === 'copy') this.#add(path, this.#copyOf(copied(this.root, from)), op);
    else if (op === 'test') this.#test(path, value);
    else throw unfit(`Unexpected kind: ${op}`);
  }

  #move(from: string, path: string): void {
    const moved = read(this.root, from, 'move');
    if (path === from) return;
    if (path.startsWith(`${from}/`)) throw unfit(`move operation does not apply: ${path} lies in ${from}`);
    this.#remove(from);
    this.#add(path, moved, 'move');
  }

  #test(path: string, value: Json | undefined): void {
    const found = lookUp(this.root, tokensOf(path));
    if (found === undefined && value !== null && value !== undefined)
      throw unfit(`testing path ${path} failed: test failed`);
    if (!isSame(found ?? null, value ?? null)) throw unfit(`testing value ${path} failed: test failed`);
  }

  /** Of its own: what is changed at one of the two places later stays as it is at the other. */
  #copyOf(value: Json): Json {
    const text = JSON.stringify(value);
    this.#copied += text.length;
    if (this.#copied > MAX_COPIED)
      throw unfit(
        `Unable to complete the copy, the accumulated size increase of copy is ${this.#copied}, exceeding the limit ${MAX_COPIED}`,
      );
    return JSON.parse(text) as Json;
  }

  #add(path: string, value: Json, op: string): void {
    if (path === '') {
      this.root = value;
      return;
    }
    const { container, token } = this.#container(path, op);
    if (Array.isArray(container)) {
      const at = token === '-' ? container.length : indexBelow(container.length + 1, token);
      if (at < 0) throw missing(op, path);
      container.splice(at, 0, value);
    } else setOwn(container, token, value);
  }

  /** A field that is not there is set, as upstream's library does; a place in a list must be there. */
  #replace(path: string, value: Json): void {
    if (path === '') {
      this.root = value;
      return;
    }
    const { container, token } = this.#container(path, 'replace');
    if (Array.isArray(container)) {
      const at = indexIn(container, token);
      if (at < 0) throw missing('replace', path);
      container[at] = value;
    } else setOwn(container, token, value);
  }

  #remove(path: string): void {
    if (path === '') {
      this.root = null;
      return;
    }
    const { container, token } = this.#container(path, 'remove');
    if (Array.isArray(container)) {
      const at = indexIn(container, token);
      if (at < 0) throw missing('remove', path);
      container.splice(at, 1);
    } else {
      if (!Object.hasOwn(container, token)) throw missing('remove', path);
      delete container[token];
    }
  }

  /** What the last token of `path` is to change, ready to be changed. Throws when there is none. */
  #container(path: string, op: string): { container: Json[] | Record<string, Json>; token: string } {
    const tokens = tokensOf(path);
    const token = tokens.pop()!;
    let container = this.#ownForm(this.root, (own) => {
      this.root = own;
    });
    for (const step of tokens) {
      const parent = container;
      const child = parent && lookUp(parent as Json, [step]);
      if (!parent || child === undefined) throw missing(op, path);
      container = this.#ownForm(child, (own) => {
        if (Array.isArray(parent)) parent[indexIn(parent, step)] = own;
        else setOwn(parent, step, own);
      });
    }
    if (!container) throw missing(op, path);
    return { container, token };
  }

  /** undefined: neither a list nor an object. */
  #ownForm(value: Json, put: (own: Json) => void): Json[] | Record<string, Json> | undefined {
    if (typeof value !== 'object' || value === null) return undefined;
    if (this.#own.has(value)) return value as Json[] | Record<string, Json>;
    const own = Array.isArray(value) ? [...(value as readonly Json[])] : { ...(value as JsonObject) };
    this.#own.add(own);
    put(own);
    return own;
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

/** A field that is not there is copied as null, as upstream's library does; what it would stand in must be there. */
function copied(document: Json, path: string): Json {
  const tokens = tokensOf(path);
  const last = tokens.pop();
  if (last === undefined) return document;
  const parent = lookUp(document, tokens);
  return isJsonObject(parent) ? (fieldOf(parent, last) ?? null) : read(document, path, 'copy');
}

const indexIn = (list: readonly Json[], token: string): number => indexBelow(list.length, token);

/** Negative ones count from the end, as in upstream's library. -1: there is none. */
function indexBelow(length: number, token: string): number {
  if (!/^[+-]?\d{1,10}$/.test(token)) return -1;
  const index = Number(token) < 0 ? length + Number(token) : Number(token);
  return index >= 0 && index < length ? index : -1;
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
