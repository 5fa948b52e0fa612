/**
 * One POST to a webhook over TLS. The address is the webhook's URL, or a Service's ready pod under the Service's name.
 * What goes wrong comes back as the text that Go's client has for it, which is what people search for.
 */
import type { IncomingMessage } from 'node:http';
import { type Agent, request as httpsRequest, type RequestOptions } from 'node:https';
import type { AdmissionregistrationWebhookClientConfig } from '#api/generated/schema.ts';
import type { Clock } from '#base/clock.ts';
import { dialProblem } from '../../remote/dial-problem.ts';
import { WayHttpsAgent } from '../../tunnels/tunnel-agents.ts';
import type { Way } from '../../tunnels/tunnels.ts';
import type { ServiceEndpoint } from '../define-admission.ts';

/** A patch of the largest object, in base64, with room for the rest. */
const MAX_ANSWER_BYTES = 6 * 1024 * 1024;
const IDLE_MS = 60_000;

/** `code`: of an answer that says that something went wrong. */
export type Answer = { text: string } | { problem: string; code?: number };

export interface Post {
  config: AdmissionregistrationWebhookClientConfig;
  body: string;
  timeoutSeconds: number;
}

export interface WebhookClientServices {
  clock: Clock;
  endpoint: ServiceEndpoint;
}

export class WebhookClient {
  /** Connections are kept by address, name and authority. Idle ones do not keep the process alive. */
  readonly #agent = new WayHttpsAgent({ keepAlive: true, timeout: IDLE_MS });

  async post(post: Post, services: WebhookClientServices): Promise<Answer> {
    const url = urlOf(post);
    if (!url) return { problem: `invalid webhook URL ${JSON.stringify(post.config.url)}` };
    const failed = (why: string): Answer => ({ problem: `Post ${JSON.stringify(textOf(url))}: ${why}` });
    const deadline = deadlineIn(post.timeoutSeconds * 1000, services.clock);
    try {
      const address = await Promise.race([addressOf(post, url, services), deadline.passed]);
      if ('problem' in address) return failed(address.problem);
      const answer = await Promise.race([this.#send(post, { url, address, signal: deadline.signal }), deadline.passed]);
      return 'problem' in answer && answer.isTransport ? failed(answer.problem) : answer;
    } finally {
      deadline.cancel();
    }
  }

  async #send(post: Post, sending: Sending): Promise<Answer & { isTransport?: boolean }> {
    for (let attempt = 1; ; attempt++) {
      const { answer, isStale } = await sendOnce(post, { ...sending, agent: this.#agent });
      // The other side closed a kept connection in the moment it was taken again: it has seen nothing of this.
      if (!isStale || attempt > 1) return answer;
    }
  }
}

interface Address {
  host: string;
  port: number;
  way?: Way | undefined;
}

interface Sending {
  url: URL;
  address: Address;
  signal: AbortSignal;
}

function urlOf({ config: { url, service }, timeoutSeconds }: Post): URL | undefined {
  const text = service
    ? `https://${service.name}.${service.namespace}.svc:${service.port}/${(service.path ?? '').replace(/^\//, '')}`
    : (url ?? '');
  if (!URL.canParse(text)) return undefined;
  const parsed = new URL(text);
  if (parsed.protocol !== 'https:' || parsed.username || parsed.password) return undefined;
  parsed.searchParams.set('timeout', `${timeoutSeconds}s`);
  return parsed;
}

/** Go names the port as it was written; URL leaves out 443. */
const textOf = (url: URL): string =>
  url.hostname.endsWith('.svc') && !url.port ? url.href.replace(url.host, `${url.host}:443`) : url.href;

async function addressOf(
  { config: { service } }: Post,
  { hostname, port }: URL,
  { endpoint }: WebhookClientServices,
): Promise<Address | { problem: string }> {
  if (service) return endpoint(service);
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 443) };
}

interface Sent {
  answer: Answer & { isTransport?: boolean };
  isStale: boolean;
}

function sendOnce({ config, body }: Post, { url, address, signal, agent }: Sending & { agent: Agent }): Promise<Sent> {
  const options: RequestOptions & Pick<Address, 'way'> = {
    agent,
    ...(address.way && { way: address.way }),
    method: 'POST',
    host: address.host,
    port: address.port,
    path: `${url.pathname}${url.search}`,
    headers: {
      host: url.host,
      'content-type': 'application/json',
      accept: 'application/json',
      'content-length': Buffer.byteLength(body),
      'user-agent': 'kube-apiserver-admission',
    },
    ...(config.service && { servername: url.hostname }),
    ...(config.caBundle && { ca: Buffer.from(config.caBundle, 'base64') }),
    signal,
  };
  return new Promise((resolve) => {
    const fail = (error: Error, isReused = false) => {
      const isStale = isReused && (error as NodeJS.ErrnoException).code === 'ECONNRESET';
      resolve({ answer: { problem: dialProblem(error, address), isTransport: true }, isStale });
    };
    try {
      const request = httpsRequest(options, (response) => {
        void readAnswer(response).then((answer) => resolve({ answer, isStale: false }), fail);
      });
      request.on('error', (error) => fail(error, request.reusedSocket));
      request.end(body);
    } catch (error) {
      fail(error as Error); // a caBundle that is none
    }
  });
}

async function readAnswer(response: IncomingMessage): Promise<Answer & { isTransport?: boolean }> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_ANSWER_BYTES) {
      response.destroy();
      return { problem: `http: response body too large: limit is ${MAX_ANSWER_BYTES}`, isTransport: true };
    }
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString('utf8');
  const code = response.statusCode ?? 0;
  return code >= 200 && code < 300 ? { text } : { problem: refusedProblem(code, text), code };
}

const MAX_QUOTED = 2048;

/** Redirects are not followed: where they lead nobody has allowed. */
function refusedProblem(code: number, text: string): string {
  if (code === 404) return 'the server could not find the requested resource';
  if (code >= 500) {
    const said = text.trim().slice(0, MAX_QUOTED) || 'unknown';
    return `an error on the server (${JSON.stringify(said)}) has prevented the request from succeeding`;
  }
  return `the server responded with the status code ${code} but did not return more information`;
}

/** Also ends the request under way when it passes. */
function deadlineIn(ms: number, clock: Clock) {
  const abort = new AbortController();
  let pass!: (late: { problem: string; isTransport: true }) => void;
  const passed = new Promise<{ problem: string; isTransport: true }>((resolve) => {
    pass = resolve;
  });
  const timer = clock.timer(ms, () => {
    pass({ problem: 'context deadline exceeded', isTransport: true });
    abort.abort();
  });
  return { passed, signal: abort.signal, cancel: () => timer.cancel() };
}
