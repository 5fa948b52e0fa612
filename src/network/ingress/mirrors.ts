/**
 * Copies of requests for other backends, whose answers nobody waits for. Source: Gateway API reference, HTTPRequestMirrorFilter;
 * ingress-nginx' documentation, "Mirror".
 */
import type { Dispatcher } from 'undici';
import type { Clock } from '#base/clock.ts';
import type { Arrival } from './arrival.ts';
import { type FlatHeaders, withHeader, withoutHeader } from './headers.ts';
import type { RequestBody } from './request-body.ts';
import type { Mirror } from './route-filters.ts';
import type { RouteOptions } from './route-options.ts';
import { connectionsElsewhere, type ServerElsewhere, serverElsewhere } from './server-elsewhere.ts';
import type { Connections, Upstreams } from './upstreams.ts';

/** A larger body is not copied, and the request not mirrored. */
export const MOST_MIRRORED_BYTES = 2 ** 20;
/** Under way to one endpoint or origin: one that is slow must not take the memory and the ports of this process. Others are not sent. */
export const MOST_COPIES = 256;

interface Copy {
  method: string;
  path: string;
  headers: FlatHeaders;
  body: RequestBody | undefined;
}

export interface MirrorContext {
  options: RouteOptions;
  upstreams: Upstreams;
  clock: Clock;
  random(): number;
}

/** At once, or when the body has gone by. */
export function sendMirrors(mirrors: readonly Mirror[], copy: Copy, context: MirrorContext): void {
  const chosen = chosenOf(mirrors, context);
  const sendAll = (body: Buffer | undefined) => {
    for (const { backend } of chosen) sendOne(backend, copy, body, context);
  };
  if (chosen.length === 0) return;
  if (copy.body) copy.body.keepCopy(MOST_MIRRORED_BYTES, sendAll);
  else sendAll(undefined);
}

/** Of one request. */
export const chosenOf = (mirrors: readonly Mirror[], { random }: Pick<MirrorContext, 'random'>): Mirror[] =>
  mirrors.filter(({ share }) => share >= 1 || random() < share);

function sendOne(backend: string, copy: Copy, body: Buffer | undefined, context: MirrorContext): void {
  const { options, upstreams } = context;
  const [endpoint] = upstreams.next(backend, 1);
  if (endpoint) send(upstreams.connectionsTo(endpoint, options), { ...copy, body }, context);
}

/** By whom they are sent. */
const underWay = new WeakMap<Connections, number>();

/** What comes back is read away, for as long as a backend may be silent and no longer: it may be an answer without an end. */
function send(
  connections: Connections,
  { method, path, headers, body }: Sent,
  { options, clock }: MirrorContext,
): void {
  const copies = underWay.get(connections) ?? 0;
  if (copies >= MOST_COPIES) return;
  underWay.set(connections, copies + 1);
  const client = connections.take();
  let abort: (() => void) | undefined;
  let isLate = false;
  const late = clock.timer(options.readTimeoutMs, () => {
    isLate = true;
    abort?.();
  });
  const done = () => {
    late.cancel();
    underWay.set(connections, (underWay.get(connections) ?? 1) - 1);
    connections.giveBack(client);
  };
  client.dispatch(
    {
      method: method as Dispatcher.HttpMethod,
      path,
      headers,
      body: body ?? null,
      headersTimeout: options.readTimeoutMs,
      bodyTimeout: options.readTimeoutMs,
    },
    {
      onConnect: (abortIt) => {
        abort = abortIt;
        if (isLate) abort();
      },
      onHeaders: () => true,
      onData: () => true,
      onComplete: done,
      onError: done,
    },
  );
}
type Sent = Omit<Copy, 'body'> & { body: Buffer | undefined };

/** Of one Ingress: all of its requests. */
export interface MirrorTarget extends ServerElsewhere {
  /** With variables of nginx in it: `$request_uri`. */
  path: string;
  host: string;
  hasBody: boolean;
}

const VARIABLE = /\$\{?(\w+)\}?/g;
const KNOWN_VARIABLES = new Set(['request_uri', 'uri', 'args', 'is_args', 'host', 'scheme']);

/** undefined for what is no URL, or has a variable that nobody knows. */
export function mirrorTargetOf(url: string, { host, hasBody }: { host: string | undefined; hasBody: boolean }) {
  const at = /^https?:\/\/[^/$]+/.exec(url)?.[0] ?? '';
  const path = url.slice(at.length);
  const found = serverElsewhere(at);
  if (!found || [...path.matchAll(VARIABLE)].some(([, name = '']) => !KNOWN_VARIABLES.has(name))) return undefined;
  const { url: parsed, ...server } = found;
  return { ...server, path: path || '$request_uri', host: host ?? parsed.hostname, hasBody } satisfies MirrorTarget;
}

/** @param copy with what its own backend is asked. */
export function sendToTarget(target: MirrorTarget, copy: Copy, context: MirrorContext & { arrival: Arrival }): void {
  const { arrival, options, upstreams } = context;
  const connections = connectionsElsewhere(target, upstreams, options);
  if (!connections) return;
  const path = target.path.replace(VARIABLE, (_, name: string) => variable(name, arrival));
  const { method, body } = copy;
  const headers = withHeader(copy.headers, 'host', [target.host]);
  if (body && target.hasBody)
    body.keepCopy(MOST_MIRRORED_BYTES, (whole) => send(connections, { method, path, headers, body: whole }, context));
  else send(connections, { method, path, headers: withoutBody(headers), body: undefined }, context);
}

const withoutBody = (headers: FlatHeaders): FlatHeaders =>
  withoutHeader(withoutHeader(headers, 'content-length'), 'transfer-encoding');

function variable(name: string, { url, query, hostname, isSecure }: Arrival): string {
  const path = query ? url.slice(0, -query.length) : url;
  const values: Readonly<Record<string, string>> = {
    request_uri: url,
    uri: path,
    args: query.slice(1),
    is_args: query.length > 1 ? '?' : '',
    host: hostname,
    scheme: isSecure ? 'https' : 'http',
  };
  return values[name] ?? '';
}
