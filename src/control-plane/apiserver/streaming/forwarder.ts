/** Carries requests on to kubelets, pods and Services, and what they answer back. */
import { type Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { type Agent as HttpsAgent, request as httpsRequest, type RequestOptions } from 'node:https';
import type { Readable } from 'node:stream';
import { badRequest, StatusError } from '#api/machinery/status.ts';
import type { Exchange } from '../http/exchange.ts';
import { dialFailed, notReached } from '../registry/node-address.ts';
import { WayHttpAgent, WayHttpsAgent } from '../tunnels/tunnel-agents.ts';
import type { Tunnels, Way } from '../tunnels/tunnels.ts';
import type { Forward } from './forward.ts';

const IDLE_MS = 60_000;

/** How the API server shows itself to kubelets, and whom it takes for one. PEM. */
export interface KubeletCredentials {
  certificate: string;
  key: string;
  ca: string;
}

export class Forwarder {
  readonly #kubelet: KubeletCredentials;
  readonly #tunnels: Tunnels;
  readonly #agents: Record<Forward['security'], HttpAgent | HttpsAgent>;

  constructor(kubelet: KubeletCredentials, tunnels: Tunnels) {
    this.#kubelet = kubelet;
    this.#tunnels = tunnels;
    const { certificate, key, ca } = kubelet;
    this.#agents = {
      kubelet: new WayHttpsAgent({ keepAlive: true, cert: certificate, key, ca }),
      unverified: new WayHttpsAgent({ keepAlive: false, rejectUnauthorized: false }),
      plain: new WayHttpAgent({ keepAlive: true, timeout: IDLE_MS }),
    };
  }

  /** What a socket to the other side must be opened with. */
  get kubelet(): KubeletCredentials {
    return this.#kubelet;
  }

  async forward(exchange: Exchange, target: Forward): Promise<void> {
    if (target.mode === 'upgrade') throw badRequest('Upgrade request required');
    const answer = await this.#ask(exchange, target);
    const code = answer.statusCode ?? 502;
    if (target.mode === 'stream') await refuseUnlessWell(answer, code);
    exchange.begin(code, passedOn(answer, target));
    exchange.audited?.started(code);
    if (exchange.method !== 'HEAD') {
      for await (const chunk of answer as AsyncIterable<Buffer>) {
        if (exchange.signal.aborted) break;
        await exchange.write(chunk);
      }
    }
    answer.destroy();
    exchange.end();
  }

  /** What the other side streams, without an exchange of ours around it. Throws its refusal as a StatusError. */
  async open(target: Forward, signal: AbortSignal): Promise<AsyncIterable<Buffer>> {
    const answer = await this.#send(target, { method: 'GET', headers: {}, signal });
    const code = answer.statusCode ?? 502;
    await refuseUnlessWell(answer, code);
    return answer;
  }

  close(): void {
    for (const agent of Object.values(this.#agents)) agent.destroy();
  }

  /** undefined: it is dialled directly. */
  wayTo({ host, port, security, serverName }: Forward): Way | undefined {
    return this.#tunnels.wayTo({ host, port, kubeletOf: security === 'kubelet' ? serverName : undefined });
  }

  #ask(exchange: Exchange, target: Forward): Promise<IncomingMessage> {
    const { method, signal } = exchange;
    if (target.mode !== 'proxy') return this.#send(target, { method: 'GET', headers: {}, signal });
    const hasBody = method !== 'GET' && method !== 'HEAD';
    const headers = requestHeaders(exchange, target);
    return this.#send(target, { method, headers, signal }, hasBody ? exchange.bytes : undefined);
  }

  #send(
    target: Forward,
    request: Pick<RequestOptions, 'method' | 'headers' | 'signal'>,
    body?: Pick<Readable, 'pipe'>,
  ): Promise<IncomingMessage> {
    const { host, port, path, mode, security, serverName } = target;
    const agent = this.#agents[security];
    const way = this.wayTo(target);
    const options: RequestOptions & { way?: Way } = {
      ...(way && { way }),
      host,
      port,
      path,
      agent,
      ...request,
      ...(serverName && { servername: serverName }),
    };
    return new Promise((resolve, reject) => {
      const ask = (security === 'plain' ? httpRequest : httpsRequest)(options, resolve);
      ask.once('error', (error) => reject((mode === 'proxy' ? notReached : dialFailed)({ host, port }, error)));
      if (body) body.pipe(ask);
      else ask.end();
    });
  }
}

/** Of one hop only, or not for the other side to see. Source: RFC 9110, 7.6.1. */
const NOT_PASSED_ON = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
  'host',
  'authorization',
  'sec-websocket-protocol', // may hold a token; protocols are only agreed on in an upgrade, which goes another way
]);

export function requestHeaders(
  { request }: Exchange,
  { host, port, prefix }: Forward,
): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(request.headers)) {
    const isPrivate = name.startsWith(':') || name.startsWith('impersonate-') || NOT_PASSED_ON.has(name);
    if (!isPrivate && value !== undefined) headers[name] = value;
  }
  const address = request.socket?.remoteAddress;
  if (address) headers['x-forwarded-for'] = [headers['x-forwarded-for'], address].flat().filter(Boolean).join(', ');
  if (prefix) headers['x-forwarded-uri'] = `${prefix}/`;
  return { ...headers, host: `${host.includes(':') ? `[${host}]` : host}:${port}` };
}

/** Redirects of the other side to itself lead through the proxy again. */
function passedOn(answer: IncomingMessage, { prefix, host, port }: Forward): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(answer.headers)) {
    if (!NOT_PASSED_ON.has(name) && value !== undefined) headers[name] = value as string;
  }
  const { location } = headers;
  if (prefix && location) {
    if (location.startsWith('/')) headers['location'] = prefix + location;
    else if (location.startsWith(`http://${host}:${port}/`))
      headers['location'] = prefix + location.slice(`http://${host}:${port}`.length);
  }
  return headers;
}

/**
 * Throws what the kubelet says is wrong. A redirect is refused as well: followed, it would lead the API server with its
 * credentials wherever a node likes; passed on, the client with its own (CVE-2020-8559).
 */
async function refuseUnlessWell(answer: IncomingMessage, code: number): Promise<void> {
  if (code >= 400) throw await statusOf(answer, code);
  if (code < 300) return;
  answer.destroy();
  throw new StatusError('InternalError', 'the backend attempted to redirect this request, which is not permitted', {
    code: 502,
  });
}

const MAX_ERROR_BYTES = 64 * 1024;

/** A kubelet says in plain text what is wrong; clients of the API want a Status. */
async function statusOf(answer: IncomingMessage, code: number): Promise<StatusError> {
  let text = '';
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    text += chunk.toString();
    if (text.length > MAX_ERROR_BYTES) break;
  }
  answer.destroy();
  const message = text.trim();
  if (message.startsWith('{')) return StatusError.from({ ...parsed(message), code });
  return StatusError.from({ code, message: message || `the server responded with the status code ${code}` });
}

function parsed(text: string): { message?: string } {
  try {
    return JSON.parse(text) as { message?: string };
  } catch (error) {
    if (error instanceof SyntaxError) return { message: text };
    throw error;
  }
}
