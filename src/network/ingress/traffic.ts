/**
 * One request through the Ingress: answered here or asked of a backend, the next endpoint tried when one cannot be reached.
 * What the client sends is passed on as it comes, never collected. Nothing that goes wrong with one request ends the process.
 */
import type { ServerResponse } from 'node:http';
import { constants, type Http2ServerResponse } from 'node:http2';
import type { Clock } from '#base/clock.ts';
import { type Admission, admitted } from './admission.ts';
import { type Arrival, arrivalOf, type Request } from './arrival.ts';
import type { BasicAuths } from './basic-auth.ts';
import { carryGrpc } from './carry-grpc.ts';
import { chooseUpstream } from './choose-upstream.ts';
import { Exchange } from './exchange.ts';
import type { ExchangeParts } from './exchange-parts.ts';
import { askAuth, type ExternalAuth } from './external-auth.ts';
import type { KnownRoutes } from './find-route.ts';
import { type OwnAnswer, refusal } from './own-answers.ts';
import type { Limits } from './rate-limits.ts';
import type { TrafficRecord } from './traffic-record.ts';
import type { Upstreams } from './upstreams.ts';

export type Response = ServerResponse | Http2ServerResponse;

export interface TrafficContext extends KnownRoutes {
  upstreams: Upstreams;
  limits: Limits;
  basicAuths: BasicAuths;
  clock: Clock;
  newRequestId(): string;
  /** From 0 to below 1. */
  random(): number;
  /** Told of every request that has ended; absent: nobody wants to know. */
  record?: TrafficRecord | undefined;
}

/** Returns at once; the answer comes when it comes. */
export function carry(request: Request, response: Response, context: TrafficContext): void {
  try {
    const arrival = arrivalOf(request, context.newRequestId());
    if (!arrival) {
      answer(response, refusal(400));
      return;
    }
    const beganMs = context.record ? context.clock.monotonicMs() : 0;
    const arrived = { request, response, arrival, beganMs };
    const admission = admitted(arrival, request.headers, context);
    if (admission instanceof Promise) waitForAdmission(admission, arrived, context);
    else goOn(admission, arrived, context);
  } catch {
    fail(response);
  }
}

interface Arrived {
  request: Request;
  response: Response;
  arrival: Arrival;
  beganMs: number;
}

function waitForAdmission(pending: Promise<Admission>, arrived: Arrived, context: TrafficContext): void {
  const { response, arrival } = arrived;
  let isOver = false;
  response.once('close', () => {
    isOver = true;
  });
  pending
    .then((admission) => {
      if (!isOver) return goOn(admission, arrived, context);
      if ('status' in admission) return;
      admission.ended();
      const { record, clock } = context;
      const ms = clock.monotonicMs() - arrived.beganMs;
      record?.ended({ arrival, route: admission.route, status: 499, ms, bytes: 0, failedTries: 0 });
    })
    .catch(() => fail(response));
}

function fail(response: Response): void {
  if (response.headersSent) breakOff(response);
  else answer(response, refusal(502)); // whatever a backend did
}

function goOn(admission: Admission, { request, response, arrival, beganMs }: Arrived, context: TrafficContext): void {
  try {
    const { record, clock } = context;
    if ('status' in admission) {
      answer(response, admission);
      const { refusedBy, status } = admission;
      record?.ended({ arrival, route: refusedBy, status, ms: 0, bytes: 0, failedTries: 0 });
      return;
    }
    const { route } = admission;
    const ended = (status: number, bytes: number, failedTries: number) => {
      admission.ended();
      if (!record) return;
      const ms = clock.monotonicMs() - beganMs;
      record.ended({ arrival, route, status, ms, bytes, failedTries });
    };
    const admittedRequest = { request, response, arrival, admission, ended };
    if (route.options.auth) askFirst(route.options.auth, admittedRequest, context);
    else pass(admittedRequest, context);
  } catch {
    fail(response);
  }
}

type AdmittedRequest = Omit<ExchangeParts, 'choice'>;

function pass(admittedRequest: AdmittedRequest, context: TrafficContext): void {
  const { arrival, request, admission } = admittedRequest;
  const { route } = admission;
  const choice = chooseUpstream(arrival, request.headers, { route, ...context });
  if (route.options.backendProtocol.startsWith('grpc')) carryGrpc({ ...admittedRequest, choice }, context);
  else new Exchange({ ...admittedRequest, choice }, context).begin();
}

function askFirst(auth: ExternalAuth, admittedRequest: AdmittedRequest, context: TrafficContext): void {
  const { request, response, arrival, admission, ended } = admittedRequest;
  let isOver = false;
  const gone = () => {
    isOver = true;
    ended(response.headersSent ? response.statusCode : 499, 0, 0);
  };
  response.once('close', gone);
  askAuth(auth, { request, arrival, options: admission.route.options }, context.upstreams)
    .then((verdict) => {
      if (isOver) return;
      if ('refused' in verdict) {
        answer(response, verdict.refused);
        return;
      }
      response.off('close', gone);
      pass({ ...admittedRequest, auth: { ...verdict, asked: auth } }, context);
    })
    .catch(() => {
      if (!isOver && !response.headersSent) answer(response, refusal(500));
    });
}

export function answer(response: Response, { status, headers, text = '' }: OwnAnswer): void {
  (response as ServerResponse).writeHead(status, { ...(text && { 'content-type': 'text/plain' }), ...headers });
  response.end(text);
}

/** So that nobody takes the part that was sent for the whole. */
export function breakOff(response: Response): void {
  if ('stream' in response && response.stream && !response.stream.destroyed)
    response.stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  else response.destroy();
}
