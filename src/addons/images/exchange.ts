/** One request and its answer, in the registry's words. Source: OCI distribution specification 1.1. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { pageOf } from './pages.ts';
import type { RegistryError } from './registry-error.ts';
import type { Route } from './routes.ts';

export interface Exchange {
  request: IncomingMessage;
  response: ServerResponse;
  query: URLSearchParams;
}

export type Of<What extends Route['what']> = Extract<Route, { what: What }>;

export function created(response: ServerResponse, location: string, digest: string): void {
  response.writeHead(201, { location, 'docker-content-digest': digest, 'content-length': 0 }).end();
}

export function json(response: ServerResponse, value: object, contentType = 'application/json'): void {
  const text = JSON.stringify(value);
  response.writeHead(200, { 'content-type': contentType, 'content-length': Buffer.byteLength(text) }).end(text);
}

/** A page of a list of names, with the address of the next one. */
export function answerPage(
  { request, response, query }: Exchange,
  field: string,
  { all, more }: { all: readonly string[]; more: object },
): void {
  const { page, next } = pageOf(all, query);
  const [path = ''] = (request.url ?? '').split('?');
  if (next) response.setHeader('link', `<${path}?${next}>; rel="next"`);
  json(response, { ...more, [field]: page });
}

/** What is left of the request is not read: the connection ends with the answer. */
export function refuse(
  { request, response }: Pick<Exchange, 'request' | 'response'>,
  { json: text, status }: RegistryError,
): void {
  if (response.headersSent) return void response.destroy();
  if (!request.complete) response.setHeader('connection', 'close');
  response
    .writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
    .end(request.method === 'HEAD' ? undefined : text);
}
