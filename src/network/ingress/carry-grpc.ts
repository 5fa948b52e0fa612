/** A request for a backend that speaks HTTP/2 and nothing else, as gRPC does: both directions flow at the same time, and what comes after the body is passed on. Source: gRPC over HTTP/2. */
import type { ServerResponse } from 'node:http';
import { type ClientHttp2Session, constants, type OutgoingHttpHeaders } from 'node:http2';
import type { Admitted } from './admission.ts';
import type { Arrival, Request } from './arrival.ts';
import { type Choice, MOST_TRIES } from './choose-upstream.ts';
import { type ExternalAuth, withPassed } from './external-auth.ts';
import { asObject, type FlatHeaders, passedOn, requestHeaders } from './headers.ts';
import { refusal } from './own-answers.ts';
import { changedHeaders } from './route-filters.ts';
import { answer, breakOff, type Response, type TrafficContext } from './traffic.ts';

export interface GrpcParts {
  request: Request;
  response: Response;
  arrival: Arrival;
  admission: Admitted;
  choice: Choice;
  path: string;
  /** What somebody said who was asked first. */
  auth?: { asked: ExternalAuth; passes: FlatHeaders };
  ended(status: number, bytes: number, failedTries: number): void;
}

export function carryGrpc(parts: GrpcParts, context: TrafficContext): void {
  const { response, choice } = parts;
  response.once('close', () => parts.ended(response.headersSent ? response.statusCode : 499, 0, 0));
  if (choice.isNowhere) answer(response, refusal(500));
  else if (choice.endpoints.length === 0) answer(response, refusal(503));
  else tryNext(parts, context, 0);
}

function tryNext(parts: GrpcParts, context: TrafficContext, tries: number): void {
  const { response, choice, admission } = parts;
  const endpoint = choice.endpoints[tries];
  if (!endpoint || tries >= MOST_TRIES) {
    answer(response, refusal(502));
    return;
  }
  context.upstreams.http2.reach(endpoint, admission.route.options, (session) => {
    if (response.destroyed || response.writableEnded) return;
    if (session) send(parts, session);
    else tryNext(parts, context, tries + 1);
  });
}

function send(
  { request, response, arrival, admission, choice, path, auth }: GrpcParts,
  session: ClientHttp2Session,
): void {
  const { options, filters } = admission.route;
  const own = choice.backend?.filters;
  const host = own?.rewrite?.hostname ?? filters?.rewrite?.hostname ?? options.upstreamHost ?? arrival.host;
  let headers = requestHeaders(request, arrival, host);
  if (auth) headers = withPassed(headers, auth.asked, auth.passes);
  for (const changes of [filters?.requestHeaders, own?.requestHeaders])
    if (changes) headers = changedHeaders(headers, changes);
  const stream = session.request(
    pseudo(headers, { method: arrival.method, path, isSecure: session.encrypted ?? false }),
  );
  stream.setTimeout(options.readTimeoutMs, () => stream.close(constants.NGHTTP2_CANCEL));
  stream.once('response', ({ ':status': status = 502, ...received }) => {
    let answered: FlatHeaders = Object.entries(passedOn(received)).flatMap(([name, values]) =>
      [values].flat().flatMap((value) => [name, value]),
    );
    for (const changes of [filters?.responseHeaders, own?.responseHeaders])
      if (changes) answered = changedHeaders(answered, changes);
    (response as ServerResponse).writeHead(Number(status), asObject(answered));
  });
  stream.on('trailers', (trailers) => (response as ServerResponse).addTrailers(passedOn(trailers)));
  stream.on('error', () => undefined); // its end tells
  stream.once('close', () => {
    if (stream.rstCode === constants.NGHTTP2_NO_ERROR && response.headersSent) return;
    if (response.headersSent) breakOff(response);
    else if (!response.destroyed) answer(response, refusal(stream.rstCode === constants.NGHTTP2_CANCEL ? 504 : 502));
  });
  response.once('close', () => stream.close(constants.NGHTTP2_CANCEL));
  request.pipe(stream);
  stream.pipe(response as NodeJS.WritableStream);
}

interface Target {
  method: string;
  path: string;
  isSecure: boolean;
}

function pseudo(headers: FlatHeaders, { method, path, isSecure }: Target): OutgoingHttpHeaders {
  const { host, ...others } = asObject(headers);
  return {
    ':method': method,
    ':path': path,
    ':scheme': isSecure ? 'https' : 'http',
    ':authority': String(host),
    ...others,
    te: 'trailers', // without it a gRPC server takes the client for one that cannot read them
  };
}
