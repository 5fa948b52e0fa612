/** Servers that tests of authentication start as they wish, and how those are asked who one is. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect, vi } from 'vitest';
import { type HttpsApiServer, startHttpsApiServer } from './https-api-server.ts';

export interface AuthenticationFixture {
  /** The path of a file that goes with the tests. */
  file(name: string, content: string): string;
  /** It goes with its test. */
  start(flags: Record<string, string>): Promise<HttpsApiServer>;
}

/** Called once at the top of a test file: what it makes is cleared away behind its tests. */
export function authenticationFixture(): AuthenticationFixture {
  const directory = mkdtempSync(join(tmpdir(), 'authentication-'));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  let server: HttpsApiServer | undefined;
  afterEach(async () => {
    await server?.[Symbol.asyncDispose]();
    server = undefined;
  });
  return {
    file(name, content) {
      const path = join(directory, name);
      writeFileSync(path, content);
      return path;
    },
    async start(flags) {
      server = await startHttpsApiServer({ flags });
      return server;
    },
  };
}

export const until = (holds: () => Promise<boolean>, what: string, timeout = 60_000): Promise<void> =>
  vi.waitFor(async () => expect(await holds(), what).toBe(true), { timeout, interval: 50 });

export interface Ask {
  headers?: Record<string, string | string[]>;
  client?: { certificate: string; key: string };
  body?: object;
}

export function ask({ url, pki }: HttpsApiServer, path: string, { headers = {}, client, body }: Ask = {}) {
  return new Promise<{ code: number; headers: Record<string, unknown>; json: Record<string, unknown> }>(
    (resolve, reject) => {
      const sent = request(
        `${url}${path}`,
        {
          method: body ? 'POST' : 'GET',
          headers: { ...headers, ...(body && { 'content-type': 'application/json' }) },
          ca: pki.caCertificate,
          agent: false,
          ...(client && { cert: client.certificate, key: client.key }),
        },
        (answer) => {
          const chunks: Buffer[] = [];
          answer.on('data', (chunk: Buffer) => chunks.push(chunk));
          answer.on('end', () => {
            const text = Buffer.concat(chunks).toString();
            const json = text.startsWith('{') ? JSON.parse(text) : { text };
            resolve({ code: answer.statusCode ?? 0, headers: answer.headers, json });
          });
        },
      );
      sent.on('error', reject);
      sent.end(body && JSON.stringify(body));
    },
  );
}

/** Who the server takes the asker for, or the code of its refusal. */
export async function whoAmI(api: HttpsApiServer, asked: Ask): Promise<Record<string, unknown> | number> {
  const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
  const { code, json } = await ask(api, '/apis/authentication.k8s.io/v1/selfsubjectreviews', {
    ...asked,
    body: review,
  });
  return code === 201 ? (json as { status: { userInfo: Record<string, unknown> } }).status.userInfo : code;
}
export const bearer = (token: string): Ask => ({ headers: { authorization: `Bearer ${token}` } });

export async function reviewOf(api: HttpsApiServer, token: string, audiences?: string[]) {
  const review = {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenReview',
    spec: { token, ...(audiences && { audiences }) },
  };
  const client = api.pki.issueClient('asker', { user: 'asker', groups: ['system:masters'] });
  const { json } = await ask(api, '/apis/authentication.k8s.io/v1/tokenreviews', { client, body: review });
  return (json as { status: Record<string, unknown> }).status;
}

/** Stock kubectl with nothing but a token. */
export function withToken(file: AuthenticationFixture['file'], api: HttpsApiServer, token: string): string {
  const cluster = {
    server: api.url,
    'certificate-authority-data': Buffer.from(api.pki.caCertificate).toString('base64'),
  };
  return file(
    'kubeconfig',
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'c', cluster }],
      users: [{ name: 'u', user: { token } }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
      'current-context': 'x',
    }),
  );
}
