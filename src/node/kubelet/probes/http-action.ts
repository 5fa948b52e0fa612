/** One HTTP GET at a container, for probes and hooks. Certificates are not checked, as upstream's are not. */
import { type IncomingMessage, request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Container, HTTPGetAction } from '#api/generated/schema.ts';
import type { Clock } from '#base/clock.ts';
import { networkErrorText } from './network-error.ts';

export interface HttpAnswer {
  code: number;
  /** The first 10 KiB. */
  body: string;
  location: string | undefined;
}

export interface HttpTarget {
  scheme: 'http' | 'https';
  host: string;
  port: number;
  path: string;
  headers: { name: string; value: string }[];
}

/** The message is Go's, as events show it. */
export class ActionFailed extends Error {}

const MAX_BODY_BYTES = 10 * 1024;
const MAX_REDIRECTS = 10;

export function httpTarget(action: HTTPGetAction, container: Container, podIP: string): HttpTarget {
  return {
    scheme: action.scheme === 'HTTPS' ? 'https' : 'http',
    host: action.host || podIP,
    port: portOf(action.port, container),
    path: action.path || '/',
    headers: action.httpHeaders ?? [],
  };
}

/** A number, or the name of one of the container's ports. */
export function portOf(port: number | string, container: Container): number {
  const named = container.ports?.find(({ name }) => name === port)?.containerPort;
  const number = named ?? Number(port);
  if (Number.isInteger(number) && number > 0 && number < 65_536) return number;
  throw new ActionFailed(`couldn't find port: ${JSON.stringify({ Type: 1, IntVal: 0, StrVal: String(port) })}`);
}

export const urlText = ({ scheme, host, port, path }: HttpTarget): string =>
  `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}${path.startsWith('/') ? '' : '/'}${path}`;

/** Follows redirects within the host; one that leads elsewhere is the answer. @throws ActionFailed */
export async function httpGet(
  target: HttpTarget,
  { clock, timeoutMs, agent }: { clock: Clock; timeoutMs: number; agent: string },
): Promise<HttpAnswer> {
  const until = clock.monotonicMs() + timeoutMs;
  let here = target;
  for (let left = MAX_REDIRECTS; ; left--) {
    const answer = await once(here, { clock, timeoutMs: until - clock.monotonicMs(), agent });
    const next = left > 0 && answer.code >= 300 && answer.code < 400 ? redirected(here, answer.location) : undefined;
    if (!next) return answer;
    here = next;
  }
}

function redirected(from: HttpTarget, location: string | undefined): HttpTarget | undefined {
  if (!location) return undefined;
  const url = new URL(location, urlText(from));
  const scheme = url.protocol.slice(0, -1);
  if (url.hostname.replace(/^\[|\]$/g, '') !== from.host || (scheme !== 'http' && scheme !== 'https')) return undefined;
  const port = Number(url.port) || (scheme === 'https' ? 443 : 80);
  return { ...from, scheme, port, path: `${url.pathname}${url.search}` };
}

function once(
  target: HttpTarget,
  { clock, timeoutMs, agent }: { clock: Clock; timeoutMs: number; agent: string },
): Promise<HttpAnswer> {
  const url = urlText(target);
  const hostHeader = target.headers.find(({ name }) => name.toLowerCase() === 'host')?.value;
  const headers: Record<string, string | string[]> = { 'User-Agent': agent, Accept: '*/*', Connection: 'close' };
  for (const { name, value } of target.headers) headers[name] = value;
  if (hostHeader) headers['Host'] = hostHeader;
  return new Promise((resolve, reject) => {
    const { host, port, path } = target;
    const options = { host, port, path: path.startsWith('/') ? path : `/${path}`, headers, agent: false as const };
    const make = target.scheme === 'https' ? httpsRequest : httpRequest;
    const fail = (text: string) => reject(new ActionFailed(`Get "${url}": ${text}`));
    const request = make({ ...options, rejectUnauthorized: false }, (response) => {
      read(response).then(resolve, (error: Error) => fail(networkErrorText(error, { host, port })));
    });
    const timer = clock.timer(Math.max(0, timeoutMs), () => {
      fail('context deadline exceeded (Client.Timeout exceeded while awaiting headers)');
      request.destroy();
    });
    request.once('error', (error) => fail(networkErrorText(error, { host, port })));
    request.once('close', () => timer.cancel());
    request.end();
  });
}

async function read(response: IncomingMessage): Promise<HttpAnswer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    size += chunk.length;
    if (size >= MAX_BODY_BYTES) break;
  }
  const body = Buffer.concat(chunks).subarray(0, MAX_BODY_BYTES).toString('utf8');
  return { code: response.statusCode ?? 0, body, location: response.headers.location };
}
