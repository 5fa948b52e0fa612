/** Copies of requests for other backends, whose answers nobody waits for. Source: Gateway API reference, HTTPRequestMirrorFilter. */
import type { Dispatcher } from 'undici';
import type { FlatHeaders } from './headers.ts';
import type { RequestBody } from './request-body.ts';
import type { Mirror } from './route-filters.ts';
import type { RouteOptions } from './route-options.ts';
import type { Upstreams } from './upstreams.ts';

/** A larger body is not copied, and the request not mirrored. */
const MOST_MIRRORED_BYTES = 2 ** 20;

interface Copy {
  method: string;
  path: string;
  headers: FlatHeaders;
  body: RequestBody | undefined;
}

interface MirrorContext {
  options: RouteOptions;
  upstreams: Upstreams;
  random(): number;
}

/** At once, or when the body has gone by. */
export function sendMirrors(mirrors: readonly Mirror[], copy: Copy, context: MirrorContext): void {
  const chosen = mirrors.filter(({ share }) => share >= 1 || context.random() < share);
  const send = (body: Buffer | undefined) => {
    for (const { backend } of chosen) sendOne(backend, copy, body, context);
  };
  if (chosen.length === 0) return;
  if (copy.body) copy.body.keepCopy(MOST_MIRRORED_BYTES, send);
  else send(undefined);
}

function sendOne(
  backend: string,
  { method, path, headers }: Copy,
  body: Buffer | undefined,
  { options, upstreams }: MirrorContext,
): void {
  const [endpoint] = upstreams.next(backend, 1);
  if (!endpoint) return;
  const connections = upstreams.connectionsTo(endpoint, options);
  const client = connections.take();
  const done = () => connections.giveBack(client);
  const { readTimeoutMs } = options;
  client.dispatch(
    {
      method: method as Dispatcher.HttpMethod,
      path,
      headers,
      body: body ?? null,
      headersTimeout: readTimeoutMs,
      bodyTimeout: readTimeoutMs,
    },
    { onConnect: () => undefined, onHeaders: () => true, onData: () => true, onComplete: done, onError: done },
  );
}
