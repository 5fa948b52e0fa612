/** Headers on their way through: what belongs to one connection stays there, and the backend learns who asks. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Arrival, Request } from './arrival.ts';

/** RFC 9110, section 7.6.1. */
const OF_ONE_CONNECTION = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
  'expect', // answered here already
]);

/** What a client says of itself in these headers is not believed. */
const TOLD_BY_US = new Set([
  'host',
  'x-request-id',
  'x-real-ip',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-proto',
  'x-forwarded-scheme',
  'x-scheme',
]);

export type Headers = Record<string, string | string[]>;
/** Name, value, name, value, as `node:http` and undici take them: nothing is looked up and nothing is joined. */
export type FlatHeaders = string[];

interface NameFacts {
  lower: string;
  /** Of one connection. */
  staysHere: boolean;
  /** Holds `_`: many a backend takes `X_Real_IP` for `X-Real-IP`. */
  isAmbiguous: boolean;
  isToldByUs: boolean;
}

const MOST_NAMES = 2_000;
/** By a name as it was written: the same few come with each request. */
const knownNames = new Map<string, NameFacts>();

function factsOf(name: string): NameFacts {
  let facts = knownNames.get(name);
  if (!facts) {
    const lower = name.toLowerCase();
    const staysHere = OF_ONE_CONNECTION.has(lower) || lower.startsWith(':');
    facts = { lower, staysHere, isAmbiguous: lower.includes('_'), isToldByUs: TOLD_BY_US.has(lower) };
    if (knownNames.size < MOST_NAMES) knownNames.set(name, facts);
  }
  return facts;
}

/** Of an answer: without pseudo headers of HTTP/2, and without those that `Connection` names. */
export function passedOn(headers: IncomingHttpHeaders): Headers {
  const named = namedBy(headers.connection);
  const passed: Headers = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined && !factsOf(name).staysHere && !named?.has(name)) passed[name] = value;
  }
  return passed;
}

/** What a backend is sent. @param host that it sees. */
export function requestHeaders(request: Request, arrival: Arrival, host: string): FlatHeaders {
  const scheme = arrival.isSecure ? 'https' : 'http';
  const sent: FlatHeaders = [
    'host',
    host,
    'x-request-id',
    arrival.requestId,
    'x-real-ip',
    arrival.address,
    'x-forwarded-for',
    arrival.address,
    'x-forwarded-host',
    arrival.host,
    'x-forwarded-port',
    String(arrival.port),
    'x-forwarded-proto',
    scheme,
    'x-forwarded-scheme',
    scheme,
    'x-scheme',
    scheme,
  ];
  const named = namedBy(request.headers.connection);
  if (request.httpVersionMajor > 1) {
    // HTTP/2 may cut cookies into pieces, which are put together there.
    for (const [name, value] of Object.entries(request.headers)) {
      const { staysHere, isAmbiguous, isToldByUs } = factsOf(name);
      if (staysHere || isAmbiguous || isToldByUs || value === undefined || named?.has(name)) continue;
      for (const one of Array.isArray(value) ? value : [value]) sent.push(name, one);
    }
    return sent;
  }
  const raw = request.rawHeaders;
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] as string;
    const { lower, staysHere, isAmbiguous, isToldByUs } = factsOf(name);
    if (!staysHere && !isAmbiguous && !isToldByUs && !named?.has(lower)) sent.push(name, raw[i + 1] as string);
  }
  return sent;
}

/** What the client is sent, of what a backend has: names in any case of letters. */
export function responseHeaders(raw: readonly Buffer[]): FlatHeaders {
  const sent: FlatHeaders = [];
  let named: Set<string> | undefined;
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = textOf(raw[i]);
    const { lower, staysHere } = factsOf(name);
    if (!staysHere) sent.push(name, textOf(raw[i + 1]));
    else if (lower === 'connection') named = namedBy(textOf(raw[i + 1])) ?? named;
  }
  return named ? sent.filter((_, i) => !named.has((sent[i - (i % 2)] as string).toLowerCase())) : sent;
}

const textOf = (bytes: Buffer | undefined): string => bytes?.toString('latin1') ?? '';

/** undefined: nothing but how the connection goes on. */
function namedBy(connection: string | undefined): Set<string> | undefined {
  if (connection === undefined || connection === 'keep-alive' || connection === 'close') return undefined;
  return new Set(connection.split(',').map((name) => name.trim().toLowerCase()));
}

/** As an object, where one name stands for several values: for `node:http2`, and for headers that are put in place of others. */
export function asObject(flat: FlatHeaders): Headers {
  const object: Headers = Object.create(null);
  for (let i = 0; i + 1 < flat.length; i += 2) {
    const name = factsOf(flat[i] as string).lower;
    const value = flat[i + 1] as string;
    const before = object[name];
    object[name] = before === undefined ? value : [before, value].flat();
  }
  return object;
}

/** In place of what stood there. */
export function withHeader(flat: FlatHeaders, name: string, values: readonly string[]): FlatHeaders {
  const kept = withoutHeader(flat, name);
  for (const value of values) kept.push(name, value);
  return kept;
}

/** @param name lower case. A list of its own. */
export const withoutHeader = (flat: FlatHeaders, name: string): FlatHeaders =>
  flat.filter((_, i) => factsOf(flat[i - (i % 2)] as string).lower !== name);

/** Of all that have the name. */
export const valuesOf = (flat: FlatHeaders, name: string): string[] =>
  flat.filter((_, i) => i % 2 === 1 && factsOf(flat[i - 1] as string).lower === name);

/** Caches must tell apart what either of us tells apart. */
export function withVary(flat: FlatHeaders, vary: string): FlatHeaders {
  const present = valuesOf(flat, 'vary');
  return present.includes(vary) ? flat : withHeader(flat, 'vary', [[vary, ...present].join(', ')]);
}

/** In place of what a backend says of it. */
export function withCors(headers: FlatHeaders, cors: Record<string, string>): FlatHeaders {
  const { vary, ...others } = cors;
  const names = new Set(Object.keys(others));
  const own = headers.filter((_, i) => !names.has((headers[i - (i % 2)] as string).toLowerCase()));
  const all = [...own, ...Object.entries(others).flat()];
  return vary ? withVary(all, vary) : all;
}
