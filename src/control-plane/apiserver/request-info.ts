/**
 * What a request is about, read from its method and path alone; authorisation and routing see nothing else. Segments
 * of the path are decoded one by one, so an encoded slash stays inside its segment. Source: API reference, "API
 * URIs".
 */
import { badRequest } from '#api/machinery/status.ts';
import { remembering } from '#base/remembering.ts';

export type RequestVerb =
  | 'create'
  | 'get'
  | 'list'
  | 'watch'
  | 'update'
  | 'patch'
  | 'delete'
  | 'deletecollection'
  /** A method that is none of the above, e.g. OPTIONS on a proxied path. */
  | '';

export interface ResourceRequestInfo {
  isResource: true;
  verb: RequestVerb;
  method: string;
  path: string;
  query: URLSearchParams;
  group: string;
  version: string;
  resource: string;
  /** '' when there is none, like the next two. */
  subresource: string;
  namespace: string;
  /** From the path, or the name that a field selector pins a list to: then `namedByPath` is false. */
  name: string;
  namedByPath: boolean;
  /** Behind the subresource, still encoded, without a leading slash: what a proxy passes on. */
  rest: string;
  /** See `collectionRead`. */
  collection?: object;
  fieldSelector?: string;
  labelSelector?: string;
}

export interface NonResourceRequestInfo {
  isResource: false;
  /** The method in lower case. */
  verb: string;
  method: string;
  path: string;
  query: URLSearchParams;
}

export type RequestInfo = ResourceRequestInfo | NonResourceRequestInfo;

const NAMESPACE_SUBRESOURCES = new Set(['status', 'finalize']);
const VERB_OF_METHOD: Readonly<Record<string, RequestVerb>> = {
  GET: 'get',
  HEAD: 'get',
  POST: 'create',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
};

/** Throws BadRequest when a segment is not well encoded. `url` is a path with its query. */
export const requestInfoOf = (method: string, url: string): RequestInfo =>
  url.endsWith(BEGINNING) && method === 'GET' && url.length <= LONGEST_PLAIN
    ? beginningOf(url)
    : (plainRequestOf(method, url) ?? parsedRequest(method, url));

/** The words in which an informer of the process begins to follow a whole kind (`client/reflector.ts`). */
const BEGINNING = '?sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&watch=true';
const MAX_BEGINNINGS = 1_000;
/** One for each kind and namespace. */
const beginningOf = remembering((url: string) => Object.freeze(parsedRequest('GET', url)), { most: MAX_BEGINNINGS });

/**
 * Of a request that reads one object and says no more than its path: the same value for all with the same group, version, resource
 * and namespace, so that what follows from these can be remembered by it; undefined for all others.
 */
export const collectionRead = (info: RequestInfo | undefined): object | undefined =>
  info?.isResource && info.verb === 'get' && info.subresource === '' ? info.collection : undefined;

/** What the paths of single objects have in common. */
type Collection = Pick<ResourceRequestInfo, 'group' | 'version' | 'resource' | 'namespace'>;

const MAX_COLLECTIONS = 5_000;
/** By the path up to the name of the object; undefined: the last segment of such paths is not just a name. */
const collections = new Map<string, Collection | undefined>();
/** Longer ones are not remembered: each keeps the URL alive in which it was first met. */
const LONGEST_PLAIN = 512;
const NOT_PLAIN = /[?%]|\/\/|\/$/;

/**
 * Most requests are about one object by its name, about a part of it (its status), or make one, in a collection that was asked
 * before: only the names are read then.
 */
function plainRequestOf(method: string, url: string): ResourceRequestInfo | undefined {
  const verb = VERB_OF_METHOD[method];
  if (!verb || url.length > LONGEST_PLAIN || NOT_PLAIN.test(url)) return undefined;
  const slash = url.lastIndexOf('/');
  const isCreate = verb === 'create';
  const prefix = isCreate ? `${url}/` : url.slice(0, slash + 1);
  const last = url.slice(slash + 1);
  let collection = collections.get(prefix);
  if (!collection) {
    const start = url.lastIndexOf('/', slash - 1) + 1;
    const above = collections.get(url.slice(0, start));
    if (above)
      return plainRequest({ verb, method, path: url, name: url.slice(start, slash), subresource: last }, above);
    if (collections.has(prefix)) return undefined;
    collection = collectionAt(prefix);
    if (collections.size >= MAX_COLLECTIONS) collections.clear();
    collections.set(prefix, collection);
    if (!collection) return undefined;
  }
  return plainRequest({ verb, method, path: url, name: isCreate ? '' : last, subresource: '' }, collection);
}

type Asked = Pick<ResourceRequestInfo, 'verb' | 'method' | 'path' | 'name' | 'subresource'>;

function plainRequest({ verb, method, path, name, subresource }: Asked, collection: Collection): ResourceRequestInfo {
  const { group, version, resource, namespace } = collection;
  return {
    isResource: true,
    verb,
    method,
    path,
    query: NO_QUERY,
    group,
    version,
    resource,
    subresource,
    namespace,
    name,
    namedByPath: name !== '',
    rest: '',
    collection,
  };
}

/** A name that nothing is called by tells what stands for the name. */
function collectionAt(prefix: string): Collection | undefined {
  const info = parsedRequest('GET', `${prefix}-`);
  if (!info.isResource || info.verb !== 'get' || info.resource === 'namespaces') return undefined;
  const { group, version, resource, namespace, name, subresource } = info;
  return name === '-' && !subresource ? { group, version, resource, namespace } : undefined;
}

function parsedRequest(method: string, url: string): RequestInfo {
  const { path, query } = splitUrl(url);
  const segments = segmentsOf(path);
  const [prefix] = segments;
  const start = prefix === 'api' ? 2 : prefix === 'apis' ? 3 : Number.POSITIVE_INFINITY;
  if (segments.length <= start) return { isResource: false, verb: method.toLowerCase(), method, path, query };

  const group = prefix === 'apis' ? decoded(segments[1]!) : '';
  const version = decoded(segments[start - 1]!);
  const watchPrefix = segments[start] === 'watch' && segments.length > start + 1;
  const { namespace, parts } = locate(segments.slice(watchPrefix ? start + 1 : start));
  const name = decoded(parts[1] ?? '');
  const verb = watchPrefix ? 'watch' : verbOf(method, query, name);
  const info: ResourceRequestInfo = {
    isResource: true,
    verb,
    method,
    path,
    query,
    group,
    version,
    resource: decoded(parts[0] ?? ''),
    subresource: decoded(parts[2] ?? ''),
    namespace,
    name,
    namedByPath: name !== '',
    rest: restOf(path, parts),
  };
  return query === NO_QUERY ? info : { ...info, ...selectorsOf(info) };
}

/** Empty ones do not count. */
function segmentsOf(path: string): string[] {
  const segments = path.split('/');
  if (segments.indexOf('', 1) < 0) return segments.slice(1);
  return segments.filter((segment) => segment !== '');
}

function verbOf(method: string, query: URLSearchParams, name: string): RequestVerb {
  const verb = VERB_OF_METHOD[method] ?? '';
  if (verb === 'get' && !name) return isTrue(query.get('watch')) ? 'watch' : 'list';
  return verb === 'delete' && !name ? 'deletecollection' : verb;
}

/** `namespaces/x/pods/…` is about pods in x; `namespaces/x/status` about the namespace x itself. */
function locate(segments: readonly string[]): { namespace: string; parts: readonly string[] } {
  if (segments[0] !== 'namespaces' || segments.length < 2) return { namespace: '', parts: segments };
  const namespace = decoded(segments[1]!);
  const isNested = segments.length > 2 && !NAMESPACE_SUBRESOURCES.has(segments[2]!);
  return { namespace, parts: isNested ? segments.slice(2) : segments };
}

/** Keeps a trailing slash and doubled ones: a proxied server may tell them apart. */
function restOf(path: string, parts: readonly string[]): string {
  if (parts.length < 3) return '';
  const marker = `/${parts.slice(0, 3).join('/')}`;
  const at = path.indexOf(marker);
  return at < 0 ? parts.slice(3).join('/') : path.slice(at + marker.length).replace(/^\//, '');
}

function selectorsOf({ verb, query, name }: ResourceRequestInfo): Partial<ResourceRequestInfo> {
  if (verb !== 'list' && verb !== 'watch' && verb !== 'deletecollection') return {};
  const fieldSelector = query.get('fieldSelector');
  const labelSelector = query.get('labelSelector');
  const pinned = !name && verb !== 'deletecollection' && fieldSelector ? nameIn(fieldSelector) : '';
  return {
    ...(pinned && { name: pinned }),
    ...(fieldSelector && { fieldSelector }),
    ...(labelSelector && { labelSelector }),
  };
}

function nameIn(fieldSelector: string): string {
  const found = /(?:^|,)metadata\.name==?([^,!=]+)(?:,|$)/.exec(fieldSelector);
  const name = found?.[1] ?? '';
  return name.includes('/') || name.includes('%') || name === '.' || name === '..' ? '' : name;
}

/** One for all who ask nothing: reading is all that is done to a query. */
const NO_QUERY = new URLSearchParams();

function splitUrl(url: string): { path: string; query: URLSearchParams } {
  const mark = url.indexOf('?');
  if (mark < 0) return { path: url, query: NO_QUERY };
  return { path: url.slice(0, mark), query: queryOf(url.slice(mark + 1)) };
}

/** Everybody who begins to follow a kind asks the same: what was read last is not read again. */
let lastQuery = { text: '', query: NO_QUERY };

function queryOf(text: string): URLSearchParams {
  if (text !== lastQuery.text) lastQuery = { text, query: new URLSearchParams(text) };
  return lastQuery.query;
}

function decoded(segment: string): string {
  if (!segment.includes('%')) return segment;
  try {
    return decodeURIComponent(segment);
  } catch (error) {
    if (error instanceof URIError) throw badRequest(`invalid URL escape in ${JSON.stringify(segment)}`);
    throw error;
  }
}

/** As upstream reads a boolean of the query: anything but `false` and `0`. */
export const isTrue = (value: string | null): boolean =>
  value !== null && value.toLowerCase() !== 'false' && value !== '0';
