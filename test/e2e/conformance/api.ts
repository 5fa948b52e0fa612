/** The API as a program sees it: one kept connection, the kubeconfig's certificate, JSON in and out. */
import { readFile } from 'node:fs/promises';
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import { Agent, request } from 'node:https';
import { parse } from 'yaml';
import type { KubeObject } from '#api/machinery/object.ts';

export interface Answer {
  code: number;
  text: string;
}
interface Question {
  method: string;
  path: string;
  text?: string;
  headers: OutgoingHttpHeaders;
}
export interface Sent {
  kind: string;
  apiVersion: string;
  metadata: { name?: string; labels?: Record<string, string>; annotations?: Record<string, string> };
  [field: string]: unknown;
}

const PATCH_TYPES = {
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  json: 'application/json-patch+json',
} as const;

interface Kubeconfig {
  clusters: [{ cluster: { server: string; 'certificate-authority-data': string } }];
  users: [{ user: { 'client-certificate-data': string; 'client-key-data': string } }];
}

export class Api {
  readonly #server: string;
  readonly #agent: Agent;
  /** A watch keeps its connection: it has to take none from the requests. */
  readonly #watchAgent: Agent;

  constructor(server: string, { agent, watchAgent }: { agent: Agent; watchAgent: Agent }) {
    this.#server = server;
    this.#agent = agent;
    this.#watchAgent = watchAgent;
  }

  static async of(kubeconfig: string): Promise<Api> {
    const { clusters, users } = parse(await readFile(kubeconfig, 'utf8')) as Kubeconfig;
    const bytes = (text: string) => Buffer.from(text, 'base64');
    const { cluster } = clusters[0];
    const identity = {
      ca: bytes(cluster['certificate-authority-data']),
      cert: bytes(users[0].user['client-certificate-data']),
      key: bytes(users[0].user['client-key-data']),
    };
    const agent = new Agent({ keepAlive: true, maxSockets: 8, ...identity });
    return new Api(cluster.server, { agent, watchAgent: new Agent(identity) });
  }

  close(): void {
    this.#agent.destroy();
    this.#watchAgent.destroy();
  }

  /** The answer, whatever it says. */
  try(method: string, path: string, body?: unknown, contentType?: string): Promise<Answer> {
    return this.tryText(method, path, body === undefined ? '' : JSON.stringify(body), contentType);
  }

  /** For bodies that no serializer makes. */
  tryText(method: string, path: string, text: string, contentType = 'application/json'): Promise<Answer> {
    return this.ask({ method, path, text, headers: text ? { 'content-type': contentType } : {} });
  }

  /** With headers of the caller's choice, and those of the answer. */
  ask({ method, path, text = '', headers }: Question): Promise<Answer & { headers: IncomingHttpHeaders }> {
    return new Promise((done, fail) => {
      // Node.js tells no length by itself when it is a DELETE.
      const all = text ? { ...headers, 'content-length': Buffer.byteLength(text) } : headers;
      const options = { method, headers: all, agent: this.#agent, timeout: 30_000 };
      const asked = request(this.#server + path, options, (answer) => {
        let said = '';
        answer.setEncoding('utf8').on('data', (part: string) => {
          said += part;
        });
        const { statusCode = 0, headers: told } = answer;
        answer.on('end', () => done({ code: statusCode, text: said, headers: told })).on('error', fail);
      });
      asked.on('timeout', () => asked.destroy(new Error(`no answer to ${method} ${path}`))).on('error', fail);
      asked.end(text);
    });
  }

  async text(method: string, path: string, body?: unknown, contentType?: string): Promise<string> {
    const { code, text } = await this.try(method, path, body, contentType);
    if (code >= 300) throw new Error(`${method} ${path}: ${code} ${text}`);
    return text;
  }

  async get<T = KubeObject>(path: string): Promise<T> {
    return JSON.parse(await this.text('GET', path)) as T;
  }

  async post<T = KubeObject>(path: string, body: unknown): Promise<T> {
    return JSON.parse(await this.text('POST', path, body)) as T;
  }

  async put<T = KubeObject>(path: string, body: unknown): Promise<T> {
    return JSON.parse(await this.text('PUT', path, body)) as T;
  }

  async patch<T = KubeObject>(path: string, body: unknown, type: keyof typeof PATCH_TYPES = 'merge'): Promise<T> {
    return JSON.parse(await this.text('PATCH', path, body, PATCH_TYPES[type])) as T;
  }

  async delete(path: string, options?: unknown): Promise<void> {
    await this.text('DELETE', path, options);
  }

  /** What happens from now on, whenever the watch itself begins. */
  async watchFromNow(path: string): Promise<ReturnType<Api['watch']>> {
    const and = path.includes('?') ? '&' : '?';
    const { metadata } = await this.get<{ metadata: { resourceVersion: string } }>(`${path}${and}limit=1`);
    return this.watch(`${path}${and}resourceVersion=${metadata.resourceVersion}`);
  }

  /** Events of a watch as they come, until `stop`. The first is asked for from `resourceVersion`, or from what there is. */
  watch(path: string): { events: { type: string; object: KubeObject }[]; stop: () => void } {
    const events: { type: string; object: KubeObject }[] = [];
    const asked = request(
      `${this.#server}${path}${path.includes('?') ? '&' : '?'}watch=true`,
      { agent: this.#watchAgent },
      (answer) => {
        let rest = '';
        answer.setEncoding('utf8').on('data', (part: string) => {
          const lines = (rest + part).split('\n');
          rest = lines.pop() ?? '';
          for (const line of lines) events.push(JSON.parse(line) as { type: string; object: KubeObject });
        });
        answer.on('error', () => undefined); // stopped: the events so far are what counts
      },
    );
    asked.on('error', () => undefined);
    asked.end();
    return { events, stop: () => asked.destroy() };
  }
}
