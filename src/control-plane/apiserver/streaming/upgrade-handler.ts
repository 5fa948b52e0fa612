/**
 * Requests that change the protocol of their connection: exec, attach, port-forward and proxied ones are joined, byte
 * for byte, with a connection to the other side, which speaks SPDY or WebSocket with the client itself. Watches and
 * logs asked for as a WebSocket are answered here. Source: KEP-4006; upstream's util/proxy, UpgradeAwareHandler.
 */
import type { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { badRequest, internalError, StatusError } from '#api/machinery/status.ts';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import { newAuditId } from '../audit/audit-id.ts';
import type { AuditedRequest } from '../audit/audited-request.ts';
import type { Recorded } from '../http/callers.ts';
import type { RequestHandler } from '../http/request-handler.ts';
import type { RequestMetrics } from '../http/request-metrics.ts';
import type { Pipeline } from '../pipeline.ts';
import { dialFailed } from '../registry/node-address.ts';
import { type ResourceRequestInfo, requestInfoOf } from '../request-info.ts';
import type { Forwarder } from './forwarder.ts';
import type { Tunnels } from '../tunnels/tunnels.ts';
import { joined, passRefusal, upgradeAnswer } from './upgrade-answer.ts';
import { UpgradeDialer } from './upgrade-dialer.ts';
import { headOf } from './upgrade-head.ts';
import { answerAsWebSocket } from './web-socket-answer.ts';

export interface UpgradeHandlerServices {
  requests: RequestHandler;
  pipeline: Pipeline;
  forwarder: Forwarder;
  tunnels: Tunnels;
  metrics: RequestMetrics;
  clock: Clock;
  log: Log;
}

const CREATED_BY_GET = new Set(['exec', 'attach', 'portforward']);

export class UpgradeHandler {
  readonly #services: UpgradeHandlerServices;
  readonly #dialer: UpgradeDialer;

  constructor(services: UpgradeHandlerServices) {
    const { forwarder, clock } = services;
    this.#services = services;
    this.#dialer = new UpgradeDialer({ kubelet: forwarder.kubelet, clock, wayTo: (target) => forwarder.wayTo(target) });
  }

  /** Never throws. */
  async serve(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const { log, metrics, clock } = this.#services;
    if (socket instanceof Socket) socket.setNoDelay(true); // a keystroke waits for nothing, nor does how a command ended
    socket.on('error', (error) => log.debug('an upgraded connection broke', { error: error.message }));
    let done: ReturnType<typeof metrics.begin> | undefined;
    let code = 101;
    const recorded: Recorded = {
      request,
      url: request.url ?? '/',
      auditId: auditIdOf(request.headers['audit-id']),
    };
    try {
      const info = requestInfoOf(request.method ?? 'GET', request.url ?? '/');
      done = metrics.begin(info, clock.monotonicMs());
      const user = await this.#services.requests.admitted(recorded, info); // 401, 403
      const { aggregation } = this.#services.pipeline;
      const remote = aggregation.remoteOf(info);
      if (remote) {
        code = await aggregation.upgrade(remote, { request, socket, head, user, auditId: recorded.auditId });
        return;
      }
      if (!info.isResource) throw badRequest('this path cannot be upgraded');
      if (info.resource === 'nodes' && info.subresource === 'tunnel' && info.group === '') {
        await this.#services.tunnels.accept(info.name, user, socket); // 403
        return;
      }
      await this.#join({ info, user, request, socket, head, audited: recorded.audited });
    } catch (error) {
      const status = error instanceof StatusError ? error : internalError(String(error), error);
      if (status !== error) log.error('an upgrade failed', { path: request.url?.split('?')[0], error: String(error) });
      code = status.code;
      if (status === error) recorded.audited?.refused(status.toStatus());
      else recorded.audited?.panicked(error);
      refuse(socket, status);
    } finally {
      recorded.audited?.completed(code);
      done?.(code, clock.monotonicMs());
    }
  }

  async #join({ info, user, request, socket, head, audited }: Upgrade): Promise<void> {
    const { pipeline, forwarder, requests } = this.#services;
    const gone = new AbortController();
    socket.once('close', () => gone.abort());
    const incoming = {
      method: info.method,
      path: request.url ?? '/',
      user,
      signal: gone.signal,
      ...(audited && { annotate: audited.annotate }),
    };
    const isWebSocket = request.headers.upgrade?.toLowerCase() === 'websocket';
    if (info.verb === 'watch') {
      if (!isWebSocket) throw badRequest('a watch can be upgraded to a WebSocket only');
      const begun = await requests.beginWatch(info, user, gone.signal); // 429
      try {
        const watch = await pipeline.openWatch(info, { ...incoming, caughtUp: begun.caughtUp });
        return await answerAsWebSocket({ request, socket, head }, { watch });
      } finally {
        begun.over();
      }
    }
    // A WebSocket begins with a GET, which must not be a way round the right to create.
    if (info.verb === 'get' && CREATED_BY_GET.has(info.subresource))
      await pipeline.authorize({ ...info, verb: 'create' }, user, audited?.annotate); // 403
    const reply = await pipeline.dispatch(info, incoming); // 400, 404, 500
    if (!('forward' in reply)) throw badRequest('this resource cannot be upgraded');
    if (reply.forward.mode === 'stream') {
      if (!isWebSocket) throw badRequest('a log can be upgraded to a WebSocket only');
      return answerAsWebSocket({ request, socket, head }, { chunks: forwarder.open(reply.forward, gone.signal) });
    }
    const other = await this.#dialer.dial(reply.forward);
    other.write(headOf(request, reply.forward), 'latin1');
    const answer = await upgradeAnswer(other, (why) => dialFailed(reply.forward, new Error(why)));
    audited?.started(answer.code);
    if (answer.code >= 400) return passRefusal(socket, other, answer, this.#services.clock);
    if (answer.code !== 101) {
      other.destroy();
      throw internalError(`invalid upgrade response: status code ${answer.code}`); // a redirect, say: nobody follows it
    }
    socket.write(answer.bytes);
    if (head.length > 0) other.write(head);
    await joined(socket, other);
  }
}

interface Upgrade {
  info: ResourceRequestInfo;
  user: Parameters<Pipeline['authorize']>[1];
  request: IncomingMessage;
  socket: Duplex;
  head: Buffer;
  audited: AuditedRequest | undefined;
}

const auditIdOf = (given: string | string[] | undefined): string => [given].flat()[0] || newAuditId();

function refuse(socket: Duplex, status: StatusError): void {
  const body = JSON.stringify(status.toStatus());
  const head = [
    `HTTP/1.1 ${status.code} ${status.reason}`,
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...(status.details?.retryAfterSeconds ? [`Retry-After: ${status.details.retryAfterSeconds}`] : []),
    'Connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}
