/** WebSockets and whatever else asks for an upgrade: two sockets joined, once the backend has agreed (RFC 9110, section 7.8). */
import { request as ask, type IncomingMessage, STATUS_CODES } from 'node:http';
import { request as askByTls } from 'node:https';
import type { Socket } from 'node:net';
import { type Duplex, pipeline } from 'node:stream';
import { type Admitted, admitted } from './admission.ts';
import { type Arrival, arrivalOf } from './arrival.ts';
import { backendRequest } from './backend-request.ts';
import type { Endpoint } from './backends.ts';
import { type Choice, chooseUpstream, MOST_TRIES } from './choose-upstream.ts';
import { isIdempotent } from './exchange.ts';
import { askAuth } from './external-auth.ts';
import { asObject, type FlatHeaders, type Headers, passedOn } from './headers.ts';
import { type OwnAnswer, refusal } from './own-answers.ts';
import type { Route } from './route-table.ts';
import type { TrafficContext } from './traffic.ts';

/** The client went before there was an answer. Source: nginx' own status. */
const NOT_ANSWERED = 499;

/** So long one who was refused may take to close. */
const LINGER_MS = 1_000;

/** What a backend says to it. `lost`: it was connected and said nothing; nobody knows what it has done. */
type Reply =
  | { upgraded: IncomingMessage; socket: Socket; head: Buffer }
  | { refused: IncomingMessage }
  | { lost: true };

/** HTTP itself, and TLS: who spoke these through us would ask the backend for whatever routes keep from him. */
const NOT_PASSED_ON = /^(?:h2c?|http|tls)(?:\/|$)/i;

/** Whether what a client wants to speak from here on is nothing that we pass on: its request is one like others then. */
export const isOrdinary = ({ headers: { upgrade = '' } }: IncomingMessage): boolean => protocolsOf(upgrade) === '';

const protocolsOf = (upgrade: string): string =>
  upgrade
    .split(',')
    .map((protocol) => protocol.trim())
    .filter((protocol) => protocol && !NOT_PASSED_ON.test(protocol))
    .join(', ');

export async function carryUpgrade(
  request: IncomingMessage,
  client: Duplex,
  head: Buffer,
  context: TrafficContext,
): Promise<void> {
  client.on('error', () => client.destroy());
  const outcome: Outcome = { status: NOT_ANSWERED, failedTries: 0, bytes: () => 0 };
  const refused = (own: OwnAnswer) => {
    outcome.status = own.status;
    refuse(client, own);
  };
  try {
    const arrival = arrivalOf(request, context.newRequestId());
    // With a body it could not be told where the body ends and what comes after the upgrade begins.
    if (!arrival || hasBody(request)) return refuse(client, refusal(400));
    const { record, clock } = context;
    let route: Route | undefined;
    const beganMs = clock.monotonicMs();
    let ended: () => void = () => undefined;
    client.once('close', () => {
      ended();
      const { status, failedTries, bytes } = outcome;
      record?.ended({ arrival, route, status, ms: clock.monotonicMs() - beganMs, bytes: bytes(), failedTries });
    });
    const admission = await admitted(arrival, request.headers, context);
    if ('status' in admission) {
      route = admission.refusedBy;
      return refused(admission);
    }
    route = admission.route;
    if (client.destroyed) return admission.ended();
    ended = admission.ended;
    const { auth, readTimeoutMs } = admission.route.options;
    let passes: FlatHeaders = [];
    if (auth) {
      const verdict = await askAuth(auth, { request, arrival, options: admission.route.options }, context.upstreams);
      if ('refused' in verdict) return refused(verdict.refused);
      passes = verdict.passes;
    }
    // Both ways count: who keeps silent that long is gone, also where nobody has closed.
    (client as Socket).setTimeout(readTimeoutMs, () => client.destroy());
    const answer = await passOn({ request, client, head, arrival, passes, outcome, ...admission }, context);
    if (answer) refused(answer);
  } catch {
    if (outcome.status === NOT_ANSWERED)
      refused(refusal(502)); // whatever a backend did
    else client.destroy();
  }
}

interface Upgrading extends Admitted {
  request: IncomingMessage;
  client: Duplex;
  head: Buffer;
  arrival: Arrival;
  /** What somebody said who was asked first. */
  passes: FlatHeaders;
  outcome: Outcome;
}

/** What is told of it when it has ended. */
interface Outcome {
  status: number;
  failedTries: number;
  /** That the backend has sent. */
  bytes(): number;
}

/** @returns what to say to the client where no backend said anything. */
async function passOn(upgrading: Upgrading, context: TrafficContext): Promise<OwnAnswer | undefined> {
  const { request, client, head, arrival, route, outcome } = upgrading;
  const choice = chooseUpstream(arrival, request.headers, { route, ...context });
  if (choice.isNowhere) return refusal(500);
  const endpoints = choice.endpoints.slice(0, MOST_TRIES);
  const asked = upgradeRequest(upgrading, choice);
  for (const endpoint of endpoints) {
    const reply = await replyOf(endpoint, asked, upgrading);
    if (!reply || 'lost' in reply) outcome.failedTries++;
    const { unreachable } = context.upstreams;
    if (!reply && !client.destroyed) unreachable.failed(endpoint, context.clock.monotonicMs());
    else if (reply) unreachable.answered(endpoint);
    if (!reply) continue;
    if ('lost' in reply) {
      if (isIdempotent(arrival.method)) continue;
      break;
    }
    if ('refused' in reply) {
      const { statusCode = 502, headers } = reply.refused;
      outcome.status = statusCode;
      client.write(headOf(statusCode, { ...passedOn(headers), connection: 'close' }));
      pipeline(reply.refused, client, () => client.destroy());
      return undefined;
    }
    const { upgraded, socket } = reply;
    socket.on('error', () => socket.destroy());
    if (client.destroyed) {
      socket.destroy();
      return undefined;
    }
    outcome.status = 101;
    const readBefore = socket.bytesRead - reply.head.length;
    outcome.bytes = () => socket.bytesRead - readBefore;
    const cookie = choice.cookieFor?.(endpoint);
    const agreed = { ...passedOn(upgraded.headers), connection: 'Upgrade', upgrade: upgraded.headers.upgrade ?? '' };
    client.write(headOf(101, { ...agreed, ...(cookie && { 'set-cookie': cookie }) }));
    if (reply.head.length > 0) client.write(reply.head);
    if (head.length > 0) socket.write(head);
    socket.setNoDelay(true);
    pipeline(client, socket, () => undefined);
    pipeline(socket, client, () => undefined);
    return undefined;
  }
  return refusal(endpoints.length > 0 ? 502 : 503);
}

interface UpgradeRequest {
  path: string;
  headers: Headers;
}

function upgradeRequest({ request, arrival, route, path, passes }: Upgrading, choice: Choice): UpgradeRequest {
  const { auth } = route.options;
  const admission = { route, path };
  const asked = backendRequest({
    ...{ request, arrival, admission, choice },
    ...(auth && { auth: { asked: auth, passes } }),
  });
  const upgrade = protocolsOf(request.headers.upgrade ?? '');
  return { path: asked.path, headers: { ...asObject(asked.headers), connection: 'Upgrade', upgrade } };
}

/** undefined: it cannot be reached in time. */
function replyOf(
  { address, port }: Endpoint,
  { path, headers }: UpgradeRequest,
  { arrival, route, client }: Upgrading,
): Promise<Reply | undefined> {
  const { backendProtocol, connectTimeoutMs, readTimeoutMs } = route.options;
  return new Promise((resolve) => {
    const sent = (backendProtocol === 'https' ? askByTls : ask)({
      host: address,
      port,
      method: arrival.method,
      path,
      headers,
      agent: false,
      rejectUnauthorized: false,
      timeout: connectTimeoutMs,
    });
    const giveUp = () => sent.destroy();
    let isConnected = false;
    sent.once('socket', (socket) =>
      socket.once(backendProtocol === 'https' ? 'secureConnect' : 'connect', () => {
        isConnected = true;
        sent.setTimeout(readTimeoutMs);
      }),
    );
    client.once('close', giveUp);
    sent.once('upgrade', (upgraded, socket, head) => resolve({ upgraded, socket: socket as Socket, head }));
    sent.once('response', (refused) => resolve({ refused }));
    sent.once('timeout', giveUp);
    const failed = () => resolve(isConnected ? { lost: true } : undefined);
    sent.on('error', failed);
    sent.once('close', () => {
      client.off('close', giveUp);
      failed();
    });
    sent.end();
  });
}

const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;

function refuse(client: Duplex, { status, headers, text = '' }: OwnAnswer): void {
  if (client.destroyed) return;
  const all = { ...headers, connection: 'close', 'content-length': String(Buffer.byteLength(text)) };
  client.end(headOf(status, all) + text);
  client.resume(); // until it has closed as well, or says nothing any more
  (client as Socket).setTimeout(LINGER_MS, () => client.destroy());
}

/** Names and values were checked: they came in a head that Node.js has read, or are header texts of options. */
const headOf = (status: number, headers: Record<string, string | string[]>): string =>
  `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${Object.entries(headers)
    .flatMap(([name, values]) => [values].flat().map((value) => `${name}: ${value}\r\n`))
    .join('')}\r\n`;
