/** The same for components in this process: objects in, frozen objects out. */
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import type { KubeObject } from '#api/machinery/object.ts';
import { type Status, StatusError, serviceUnavailable } from '#api/machinery/status.ts';
import { deepFreeze } from '#base/deep-freeze.ts';
import type { Signal } from '#base/plain-signal.ts';
import type { UserInfo, WatchEvent } from '#client/transport.ts';
import { JSON_MEDIA_TYPE, type RequestBody } from '../request-body.ts';
import { type Connections, headersFor, hostPort } from './connections.ts';
import { UNAVAILABLE } from './proxy.ts';
import type { RemoteApi } from './remote-api.ts';

export interface RemoteCall {
  method: string;
  /** With its query. */
  path: string;
  user: UserInfo;
  body?: RequestBody | undefined;
  signal?: Signal | undefined;
}

/** Upstream's clients have a limit of their own kind; this one keeps a bad answer from filling the memory. */
const MAX_ANSWER_BYTES = 256 * 1024 * 1024;
const MAX_LINE_BYTES = 16 * 1024 * 1024;

/** Throws the refusal of the other side as a StatusError, and ServiceUnavailable when it cannot be reached. */
export async function callRemote(
  remote: RemoteApi,
  call: RemoteCall,
  connections: Connections,
): Promise<{ code: number; object: object }> {
  const { signal, release } = platformSignal(call.signal);
  try {
    const answer = await send(remote, { ...call, signal }, connections);
    const text = await textOf(answer);
    const code = answer.statusCode ?? 502;
    if (code >= 400) throw refusalOf(code, text);
    return { code, object: deepFreeze(parsed(text)) };
  } finally {
    release();
  }
}

/** Throws as `callRemote`; an ERROR event is thrown as well. */
export async function* watchRemote(
  remote: RemoteApi,
  call: RemoteCall,
  connections: Connections,
): AsyncGenerator<WatchEvent> {
  const { signal, release } = platformSignal(call.signal);
  let answer: IncomingMessage | undefined;
  try {
    answer = await send(remote, { ...call, signal }, connections);
    const code = answer.statusCode ?? 502;
    if (code >= 400) throw refusalOf(code, await textOf(answer));
    for await (const line of linesOf(answer)) {
      const { type, object } = parsed(line) as { type: string; object: KubeObject };
      if (type === 'ERROR') throw StatusError.from(object as unknown as Parameters<typeof StatusError.from>[0]);
      yield { type: type as WatchEvent['type'], object: deepFreeze(object) };
    }
  } catch (error) {
    if (error instanceof StatusError) throw error;
    if (!call.signal?.aborted) throw serviceUnavailable(`error trying to reach service: ${(error as Error).message}`);
  } finally {
    answer?.destroy();
    release();
  }
}

type SentCall = RemoteCall & { signal: AbortSignal | undefined };

async function send(remote: RemoteApi, call: SentCall, connections: Connections): Promise<IncomingMessage> {
  const { method, path, user, body, signal } = call;
  if (!remote.isAvailable) throw serviceUnavailable(UNAVAILABLE);
  const address = await connections.addressOf(remote);
  if ('problem' in address) throw serviceUnavailable(UNAVAILABLE);
  const bytes = body && ('object' in body ? JSON.stringify(body.object) : body.bytes);
  const headers: OutgoingHttpHeaders = {
    ...headersFor(user),
    host: hostPort(address),
    accept: JSON_MEDIA_TYPE,
    ...(bytes !== undefined && { 'content-type': body!.contentType, 'content-length': Buffer.byteLength(bytes) }),
  };
  const sent = {
    method,
    path,
    headers,
    ...(bytes !== undefined && { body: bytes }),
    ...(signal && { signal }),
  };
  const answer = await connections.open(remote, address, sent);
  if ('problem' in answer) throw serviceUnavailable(`error trying to reach service: ${answer.problem}`);
  return answer;
}

async function textOf(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_ANSWER_BYTES) {
      answer.destroy();
      throw serviceUnavailable('error trying to reach service: the answer is too long');
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size).toString('utf8');
}

async function* linesOf(answer: IncomingMessage): AsyncGenerator<string> {
  let rest = '';
  answer.setEncoding('utf8');
  for await (const chunk of answer as unknown as AsyncIterable<string>) {
    rest += chunk;
    if (rest.length > MAX_LINE_BYTES) throw new Error('an event is too long');
    const lines = rest.split('\n');
    rest = lines.pop()!;
    for (const line of lines) if (line.trim()) yield line;
  }
}

function parsed(text: string): object {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw serviceUnavailable('error trying to reach service: the answer is not an object');
}

function refusalOf(code: number, text: string): StatusError {
  try {
    const status = JSON.parse(text) as Partial<Status>;
    if (status.kind === 'Status') return StatusError.from({ ...status, code });
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  if (code === 503) return serviceUnavailable('the server is currently unable to handle the request');
  return StatusError.from({ code, message: text.trim() || `the server responded with the status code ${code}` });
}

/** Node's requests take none but the platform's. `release`: informers' signals outlive thousands of requests. */
function platformSignal(signal: Signal | undefined): { signal: AbortSignal | undefined; release(): void } {
  if (!signal || signal instanceof AbortSignal) return { signal, release: () => undefined };
  const controller = new AbortController();
  const abort = () => controller.abort(signal.reason);
  if (signal.aborted) abort();
  else signal.addEventListener('abort', abort, { once: true });
  return { signal: controller.signal, release: () => signal.removeEventListener('abort', abort) };
}
