/**
 * Requests about groups that another API server serves, passed on as they come and answered as that one answers, byte by
 * byte and nothing held back. Who asks was found out and may ask; the other side is told who it is. Source: upstream's
 * kube-aggregator, handler_proxy.go; apimachinery, util/proxy. Texts as there.
 */
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import { noSuchPath } from '#api/machinery/status.ts';
import type { Clock } from '#base/clock.ts';
import type { UserInfo } from '#client/transport.ts';
import type { Exchange } from '../http/exchange.ts';
import { requestHeaders } from '../streaming/forwarder.ts';
import { type Address, type Connections, headersFor, type Problem } from './connections.ts';
import { isFrontProxyHeader } from './front-proxy-headers.ts';
import type { RemoteApi } from './remote-api.ts';

export const UNAVAILABLE = 'service unavailable';
const REDIRECTED = 'the backend attempted to redirect this request, which is not permitted';

/** Throws NotFound for a path that the other side might read as another one. */
export async function proxyTo(
  remote: RemoteApi,
  { exchange, user, signal }: { exchange: Exchange; user: UserInfo; signal: AbortSignal },
  { connections, clock }: { connections: Connections; clock: Clock },
): Promise<void> {
  refuseDotSegments(exchange.url);
  if (!remote.isAvailable) return sendText(exchange, 503, UNAVAILABLE);
  const address = await connections.addressOf(remote);
  if ('problem' in address) return sendText(exchange, 503, UNAVAILABLE);
  const { method, url: path } = exchange;
  const hasBody = method !== 'GET' && method !== 'HEAD';
  const headers = passedOnTo(address, { exchange, user });
  const limit = isDiscovery(path) ? timeLimit(clock, signal) : undefined;
  const asked = { method, path, headers, signal: limit?.signal ?? signal, ...(hasBody && { body: exchange.bytes }) };
  try {
    const answer = await connections.open(remote, address, asked);
    if (!signal.aborted) await answerAs(exchange, answer, { signal, isLate: limit?.isOver() ?? false });
  } finally {
    limit?.end();
  }
}

/** `signal`: that of the client. */
async function answerAs(
  exchange: Exchange,
  answer: IncomingMessage | Problem,
  { signal, isLate }: { signal: AbortSignal; isLate: boolean },
): Promise<void> {
  if ('problem' in answer) {
    const why = isLate ? 'context deadline exceeded' : answer.problem;
    return sendText(exchange, 503, `error trying to reach service: ${why}`);
  }
  const code = answer.statusCode ?? 502;
  if (code >= 300 && code <= 399 && answer.headers.location) {
    answer.destroy();
    return sendText(exchange, 502, REDIRECTED);
  }
  await passBack(exchange, answer, signal);
}

/** What every client asks for before anything else, and waits for. Source: upstream's util/proxy, NewRequestForProxy. */
const isDiscovery = (url: string): boolean => /^\/apis\/[^/?]+\/[^/?]+\/?(\?|$)/.test(url);
const DISCOVERY_MS = 5000;

/** Aborts as `signal` does, and when discovery has taken too long. */
function timeLimit(clock: Clock, signal: AbortSignal) {
  const late = new AbortController();
  const timer = clock.timer(DISCOVERY_MS, () => late.abort());
  return {
    signal: AbortSignal.any([signal, late.signal]),
    isOver: () => late.signal.aborted,
    end: () => timer.cancel(),
  };
}

/** A server that tidies its paths would come out somewhere else than was allowed. */
export function refuseDotSegments(url: string): void {
  const [path = ''] = url.split('?', 1);
  if (path.split('/').some((segment) => /^(\.|%2e){1,2}$/i.test(segment))) throw noSuchPath();
}

/** As the client sent them, less what it must not say itself and what was for this hop only. */
function passedOnTo(address: Address, { exchange, user }: { exchange: Exchange; user: UserInfo }): OutgoingHttpHeaders {
  const target = { ...address, path: '', security: 'unverified', mode: 'proxy' } as const;
  const given = requestHeaders(exchange, target);
  const ofThisHop = new Set(exchange.header('connection').toLowerCase().split(/ *, */));
  const headers: OutgoingHttpHeaders = {};
  for (const [name, value] of Object.entries(given))
    if (!isFrontProxyHeader(name) && (!ofThisHop.has(name) || name === 'host')) headers[name] = value;
  const told = { 'audit-id': exchange.auditId, 'x-forwarded-uri': exchange.url.split('?', 1)[0] };
  return { ...headers, ...headersFor(user), ...told };
}

/** RFC 9110, 7.6.1. */
const OF_ONE_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

async function passBack(exchange: Exchange, answer: IncomingMessage, signal: AbortSignal): Promise<void> {
  const headers: Record<string, string> = {};
  const ofThisHop = new Set((answer.headers.connection ?? '').toLowerCase().split(/ *, */));
  for (const [name, value] of Object.entries(answer.headers))
    if (value !== undefined && !OF_ONE_HOP.has(name) && !ofThisHop.has(name)) headers[name] = value as string;
  exchange.begin(answer.statusCode ?? 502, headers);
  exchange.flush();
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      if (signal.aborted) break;
      await exchange.write(chunk);
    }
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    // Broken off by the other side.
    if (!signal.aborted) return exchange.abort(); // the client must not take what it has for the whole
  } finally {
    answer.destroy();
  }
  exchange.end();
}

/** As Go's http.Error. */
async function sendText(exchange: Exchange, code: number, text: string): Promise<void> {
  const whole = { type: 'text/plain; charset=utf-8', body: Buffer.from(`${text}\n`) };
  await exchange.send(code, whole, { 'x-content-type-options': 'nosniff' });
}
