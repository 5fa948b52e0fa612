/**
 * JSON Patch (RFC 6902), with upstream's limit on how many operations one patch may hold. Errors are those that the API
 * server sends: 400 for a patch that is none, 413 for too many operations, 422 for one that does not fit the object, or
 * copies too much.
 */
import { isEqual } from './equal.ts';
import { fromOf, type Operation, operationsOf, pathOf, unfit } from './json-patch-operations.ts';
import { fieldOf, isJsonObject, type Json, type JsonObject } from './json-value.ts';
import { setOwn } from './set-own.ts';

const MAX_DEPTH = 200;
/** What copies may add up to, in characters of JSON: a patch of a few bytes must not make an object of gigabytes. */
const MAX_COPIED = 3 * 1024 * 1024;

/** A new document; what does not change is shared with the old one. Throws StatusError. */
export function applyJsonPatch(document: Json, patch: unknown): Json {
  const patched = new PatchedDocument(document);
  for (const operation of operationsOf(patch)) patched.apply(operation);
  return patched.root;
}

/** Containers are copied when they are first changed, then changed in place: ten thousand operations on one map are no more. */
class PatchedDocument {
  root: Json;
  readonly #own = new WeakSet<object>();
  #copied = 0;

  constructor(document: Json) {
    this.root = document;
  }

  apply(operation: Operation): void {
    const op = typeof operation['op'] === 'string' ? operation['op'] : 'unknown';
    const value = operation['value'] ?? null;
    if (op === 'add') this.#add(pathOf(operation, op), value);
    else if (op === 'remove') this.#remove(pathOf(operation, op));
    else if (op === 'replace') this.#replace(pathOf(operation, op), value);
    else if (op === 'move') this.#move(operation);
    else if (op === 'copy') this.#copy(operation);
    else if (op === 'test') this.#test(pathOf(operation, op), operation['value']);
    else throw unfit(`Unexpected kind: ${op}`);
  }

  #add(path: string, value: Json): void {
    const place = this.#place(path);
    if (!place) throw unfit(`add operation does not apply: doc is missing path: "${path}": missing value`);
    insert(place, value, `error in add for path: '${path}'`);
  }

  #remove(path: string): void {
    const place = this.#place(path);
    if (!place) throw unfit(`remove operation does not apply: doc is missing path: "${path}": missing value`);
    takeOut(place, `error in remove for path: '${path}'`);
  }

  /** A field that is not there is set, as upstream's library does; a place in a list must be there. */
  #replace(path: string, value: Json): void {
    if (path === '') {
      if (typeof value !== 'object' || value === null)
        throw unfit('replace operation value must be object or array: %!w(<nil>)');
      this.root = value;
      return;
    }
    const place = this.#place(path);
    const refuse = (what: string) =>
      unfit(`replace operation does not apply: doc is missing ${what}: ${path}: missing value`);
    if (!place) throw refuse('path');
    const { container, token } = place;
    if (!Array.isArray(container)) setOwn(container, token, value);
    else {
      const at = indexIn(container, token);
      if (typeof at === 'string') throw refuse('key');
      container[at] = value;
    }
  }

  #move(operation: Operation): void {
    const from = fromOf(operation, 'move');
    const place = this.#place(from);
    if (!place) throw unfit(`move operation does not apply: doc is missing from path: ${from}: missing value`);
    const moved = takeOut(place, `error in move for path: '${place.token}'`);
    const path = pathOf(operation, 'move');
    const target = this.#place(path);
    if (!target) throw unfit(`move operation does not apply: doc is missing destination path: ${path}: missing value`);
    insert(target, moved, `error in move for path: '${path}'`);
  }

  /** A field that is not there is copied as null, as upstream's library does; what it would stand in must be there. */
  #copy(operation: Operation): void {
    const from = fromOf(operation, 'copy');
    const place = placeIn(this.root, from);
    if (!place) throw unfit(`copy operation does not apply: doc is missing from path: ${from}: missing value`);
    const found = valueAt(place, `error in copy for from: '${from}'`);
    const path = pathOf(operation, 'copy');
    const target = this.#place(path);
    if (!target) throw unfit(`copy operation does not apply: doc is missing destination path: ${path}: missing value`);
    insert(target, this.#copyOf(found ?? null), 'error while adding value during copy');
  }

  #test(path: string, value: Json | undefined): void {
    if (path !== '') {
      const place = placeIn(this.root, path);
      if (!place) throw unfit(`test operation does not apply: is missing path: ${path}: missing value`);
      const found = valueAt(place, `error in test for path: '${path}'`) ?? null;
      if (found === null ? (value ?? null) === null : value !== undefined && isSame(found, value)) return;
    } else if (value !== undefined && isSame(this.root, value)) return;
    throw unfit(`testing value ${path} failed: test failed`);
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

  /** As `placeIn`, ready to be changed. */
  #place(path: string): Place | undefined {
    return placeIn(
      this.root,
      path,
      (value, put) => this.#ownForm(value, put),
      (own) => {
        this.root = own;
      },
    );
  }

  /** undefined: neither a list nor an object. */
  #ownForm(value: Json, put?: Put): Opened {
    if (typeof value !== 'object' || value === null) return undefined;
    if (this.#own.has(value)) return value as Json[] | Record<string, Json>;
    const own = Array.isArray(value) ? [...(value as readonly Json[])] : { ...(value as JsonObject) };
    this.#own.add(own);
    put?.(own);
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

interface Place {
  container: Json[] | Record<string, Json>;
  token: string;
}

type Put = (own: Json) => void;
type Opened = Place['container'] | undefined;

const asItIs = (value: Json): Opened =>
  typeof value === 'object' && value !== null ? (value as Place['container']) : undefined;

/**
 * What the last token of a path stands in; undefined when there is none. `open` says how a container is come by, and may
 * put another one in its place. Upstream's library does not look at what stands before the first slash.
 */
function placeIn(root: Json, path: string, open: (value: Json, put?: Put) => Opened = asItIs, putRoot?: Put) {
  const [, ...tokens] = path.split('/', MAX_DEPTH + 1).map(unescaped);
  const token = tokens.pop();
  if (token === undefined || tokens.length >= MAX_DEPTH - 1) return undefined;
  let container = open(root, putRoot);
  for (const step of tokens) {
    const parent = container;
    const child = parent && childOf(parent, step);
    if (!parent || child === undefined || typeof child === 'string') return undefined;
    const { at } = child;
    container = open(child.value, (own) => {
      if (Array.isArray(parent)) parent[at as number] = own;
      else setOwn(parent, at as string, own);
    });
  }
  return container && { container, token };
}

/** undefined: an object has no such field. A text: why a list has no such place. */
function childOf(
  container: Place['container'],
  token: string,
): { at: string | number; value: Json } | string | undefined {
  if (!Array.isArray(container)) {
    const value = fieldOf(container, token);
    return value === undefined ? undefined : { at: token, value };
  }
  const at = indexIn(container, token);
  return typeof at === 'string' ? at : { at, value: container[at]! };
}

function valueAt({ container, token }: Place, failing: string): Json | undefined {
  const child = childOf(container, token);
  if (typeof child === 'string') throw unfit(`${failing}: ${child}`);
  return child?.value;
}

function insert({ container, token }: Place, value: Json, failing: string): void {
  if (!Array.isArray(container)) {
    setOwn(container, token, value);
    return;
  }
  const at = token === '-' ? container.length : indexBelow(container.length + 1, token);
  if (typeof at === 'number') container.splice(at, 0, value);
  else {
    const odd = isWholeNumber(token) ? '' : `value was not a proper array index: '${token}': `;
    throw unfit(`${failing}: ${odd}${at}`);
  }
}

function takeOut(place: Place, failing: string): Json {
  const { container, token } = place;
  const child = childOf(container, token);
  if (child === undefined) throw unfit(`${failing}: Unable to remove nonexistent key: ${token}: missing value`);
  if (typeof child === 'string') throw unfit(`${failing}: ${child}`);
  if (Array.isArray(container)) container.splice(child.at as number, 1);
  else delete container[token];
  return child.value;
}

/** `a~1b` → `a/b`. */
const unescaped = (token: string): string => token.replaceAll('~1', '/').replaceAll('~0', '~');

const indexIn = (list: readonly Json[], token: string): number | string => indexBelow(list.length, token);

const isWholeNumber = (token: string): boolean => /^[+-]?\d+$/.test(token) && Number.isSafeInteger(Number(token));

/** Negative ones count from the end, as in upstream's library. A text: why there is none. */
function indexBelow(length: number, token: string): number | string {
  if (!isWholeNumber(token))
    return `strconv.Atoi: parsing ${JSON.stringify(token)}: ${/^[+-]?\d+$/.test(token) ? 'value out of range' : 'invalid syntax'}`;
  const index = Number(token) < 0 ? length + Number(token) : Number(token);
  return index >= 0 && index < length
    ? index
    : `Unable to access invalid index: ${Number(token)}: invalid index referenced`;
}
