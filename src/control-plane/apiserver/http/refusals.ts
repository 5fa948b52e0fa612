/** Refusals that come before a request is looked at: it is too late, or the server is full or going. */
import { StatusError, timeout } from '#api/machinery/status.ts';
import type { Exchange } from './exchange.ts';

export const deadlineMissed = (): StatusError =>
  timeout('Timeout: request did not complete within the allotted timeout');

/** To who comes on a connection that was open before. */
export const shuttingDown = (): StatusError =>
  new StatusError('ServiceUnavailable', 'apiserver is shutting down', { details: {} });

export const TOO_MANY_REQUESTS = 'Too many requests, please try again later.';

/** As text, as upstream says it; client-go makes a Status of it. */
export function sendTooManyRequests(exchange: Exchange, retryAfterSeconds: number): Promise<void> | undefined {
  const text = { type: 'text/plain; charset=utf-8', body: Buffer.from(`${TOO_MANY_REQUESTS}\n`) };
  return exchange.send(429, text, { 'x-content-type-options': 'nosniff', 'retry-after': String(retryAfterSeconds) });
}
