/** Speaks to a cluster's supervisor over its control socket. */
import { type IncomingMessage, request } from 'node:http';
import { createInterface } from 'node:readline';
import { pipeline } from 'node:stream/promises';
import type { ClusterStatus, ControlError, ImagesOfNode } from './control-protocol.ts';

/** Nobody listens: the cluster is down. */
export class NotRunning extends Error {
  readonly code = 'NotRunning';
}

/** The supervisor refused; `code` is that of the error on its side. */
export class Refused extends Error {
  readonly code: string;
  constructor({ code, message }: ControlError['error']) {
    super(message);
    this.code = code;
  }
}

interface Call {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  path: string;
  body?: AsyncIterable<Uint8Array> | string;
}

export class ControlClient {
  readonly #socketPath: string;

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  /** undefined when the cluster does not run. */
  async statusIfRunning(): Promise<ClusterStatus | undefined> {
    try {
      return await this.#json({ method: 'GET', path: '/status' });
    } catch (error) {
      if (error instanceof NotRunning) return undefined;
      throw error;
    }
  }

  /** The status now and after each change, until the supervisor ends. */
  async *changes(): AsyncGenerator<ClusterStatus> {
    const answer = await this.#call({ method: 'GET', path: '/status?watch=1' });
    try {
      for await (const line of createInterface({ input: answer })) yield JSON.parse(line);
    } finally {
      answer.destroy();
    }
  }

  stop = (graceMs: number): Promise<unknown> => this.#json({ method: 'POST', path: `/stop?graceMs=${graceMs}` });
  addNode = (name: string): Promise<unknown> =>
    this.#json({ method: 'POST', path: `/nodes/${encodeURIComponent(name)}` });
  removeNode = (name: string): Promise<unknown> =>
    this.#json({ method: 'DELETE', path: `/nodes/${encodeURIComponent(name)}` });
  stopNode = (name: string): Promise<unknown> =>
    this.#json({ method: 'POST', path: `/nodes/${encodeURIComponent(name)}/stop` });
  startNode = (name: string): Promise<unknown> =>
    this.#json({ method: 'POST', path: `/nodes/${encodeURIComponent(name)}/start` });
  /** @returns the content of the file for the other machine. */
  inviteNode = (name: string, wish: { address: string; server?: string }): Promise<object> =>
    this.#json({
      method: 'POST',
      path: `/nodes/${encodeURIComponent(name)}/invite?${new URLSearchParams({ ...wish })}`,
    });
  images = (): Promise<ImagesOfNode[]> => this.#json({ method: 'GET', path: '/images' });
  /** Into every running node. */
  importImage = (archive: AsyncIterable<Uint8Array>): Promise<ImagesOfNode[]> =>
    this.#json({ method: 'PUT', path: '/images', body: archive });

  async #json<T>(call: Call): Promise<T> {
    const answer = await this.#call(call);
    const chunks: Buffer[] = [];
    for await (const chunk of answer) chunks.push(chunk as Buffer);
    const value = JSON.parse(Buffer.concat(chunks).toString('utf8'));
    if ((answer.statusCode ?? 500) >= 400) throw new Refused((value as ControlError).error);
    return value as T;
  }

  #call({ method, path, body }: Call): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const outgoing = request({ socketPath: this.#socketPath, method, path }, resolve);
      outgoing.once('error', (error: NodeJS.ErrnoException) => {
        const isDown = ['ENOENT', 'ECONNREFUSED', 'ECONNRESET'].includes(error.code ?? '');
        reject(isDown ? new NotRunning('the cluster does not run', { cause: error }) : error);
      });
      if (body === undefined || typeof body === 'string') outgoing.end(body);
      else pipeline(body, outgoing).catch(reject);
    });
  }
}
