/** What tests of aggregation start with, and how they ask. */
import { request as httpsRequest } from 'node:https';
import { connect, type TLSSocket } from 'node:tls';
import { expect } from 'vitest';
import { APIService } from '#api/apiregistration/v1/api-service.ts';
import type { KeyPair } from '#cmd/pki/certificate.ts';
import { createServiceFor, eventually } from './extension-server.ts';
import { type HttpsApiServer, startHttpsApiServer } from './https-api-server.ts';
import { apiService, GROUP, startWardleServer, VERSION, type WardleServer } from './wardle-server.ts';

export const NAME = `${VERSION}.${GROUP}`;
export const ROOT = `/apis/${GROUP}/${VERSION}`;
export const FLUNDERS = `${ROOT}/namespaces/default/flunders`;

export interface Answered {
  code: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
}

/** A server with a group that another API server serves. */
export interface AggregatedGroup {
  server: HttpsApiServer;
  wardle: WardleServer;
  /** Of jane, who may do everything. */
  admin: KeyPair;
  ask(path: string, request?: { method?: string; headers?: Record<string, string>; body?: string }): Promise<Answered>;
  /** Asks for another protocol; `head`: what is answered first. */
  upgrade(path: string): Promise<{ socket: TLSSocket; head: string }>;
  apply(object: object): Promise<unknown>;
  /** The condition of its APIService. */
  available(): Promise<{ status?: string; reason?: string; message?: string } | undefined>;
  isAvailable(reason: string): Promise<unknown>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Available when it is returned. */
export async function startAggregatedGroup(): Promise<AggregatedGroup> {
  const server = await startHttpsApiServer();
  const admin = server.pki.issueClient('jane', { user: 'jane', groups: ['system:masters', 'dev'] });
  const wardle = await startWardleServer(server);
  const available = async () =>
    (await server.api.loopback.client.get(APIService, { name: NAME })).status?.conditions?.find(
      ({ type }) => type === 'Available',
    );
  const group: AggregatedGroup = {
    server,
    wardle,
    upgrade: (path) => upgrade({ server, admin }, path),
    admin,
    ask: (path, request) => ask({ server, admin }, path, request),
    apply: (object) => server.kubectl(['apply', '-f', '-'], JSON.stringify(object)),
    available,
    isAvailable: (reason) => eventually(async () => expect((await available())?.reason).toBe(reason)),
    async [Symbol.asyncDispose]() {
      await wardle[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
  await createServiceFor(server, { namespace: 'wardle', name: 'api', port: wardle.port });
  await group.apply(apiService({ caBundle: wardle.caBundle }));
  await group.isAvailable('Passed');
  // Whoever routes to it, and tells of it, follows the condition.
  await eventually(async () => {
    expect((await group.ask(FLUNDERS)).code).toBe(200);
    expect((await group.ask('/apis')).text).toContain(GROUP);
  });
  return group;
}

function ask(
  { server: { port, pki }, admin }: Pick<AggregatedGroup, 'server' | 'admin'>,
  path: string,
  { method = 'GET', headers = {}, body = '' } = {},
): Promise<Answered> {
  const options = {
    host: '127.0.0.1',
    port,
    path,
    method,
    headers,
    ca: pki.caCertificate,
    cert: admin.certificate,
    key: admin.key,
  };
  return new Promise((resolve, reject) => {
    const request = httpsRequest(options, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => resolve({ code: response.statusCode ?? 0, headers: response.headers, text }));
      response.on('error', reject);
    });
    request.on('error', reject).end(body);
  });
}

function upgrade(
  { server: { port, pki }, admin }: Pick<AggregatedGroup, 'server' | 'admin'>,
  path: string,
): Promise<{ socket: TLSSocket; head: string }> {
  const tls = { host: '127.0.0.1', port, ca: pki.caCertificate, cert: admin.certificate, key: admin.key };
  return new Promise((resolve, reject) => {
    const socket = connect({ ...tls, ALPNProtocols: ['http/1.1'] }, () => {
      socket.write(
        `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\nX-Remote-User: root\r\n\r\n`,
      );
    });
    socket.setEncoding('latin1').once('data', (head) => resolve({ socket, head: String(head) }));
    socket.once('error', reject);
  });
}
