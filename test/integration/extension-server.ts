/**
 * A server of somebody else that this API server asks: on TLS with a certificate of the cluster's CA, and behind a Service
 * whose EndpointSlice leads to this machine.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import { Namespace } from '#api/core/v1/namespace.ts';
import { Service } from '#api/core/v1/service.ts';
import { EndpointSlice } from '#api/discovery/v1/endpoint-slice.ts';
import { hasReason } from '#api/machinery/status.ts';
import type { HttpsApiServer } from './https-api-server.ts';

/** One of this machine's that is not its loopback: a Service leads to no other kind. */
export const OWN_ADDRESS =
  Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal)?.address ?? '0.0.0.0';

export interface ExtensionServer {
  readonly port: number;
  /** Base64, as it stands in an APIService or a webhook's client configuration. */
  readonly caBundle: string;
  readonly server: Server;
  [Symbol.asyncDispose](): Promise<void>;
}

export type Answer = (request: IncomingMessage & { text: string }, response: ServerResponse) => void;

export async function startExtensionServer(
  { pki }: Pick<HttpsApiServer, 'pki'>,
  answer: Answer,
  { names = [], tls = {} }: { names?: readonly string[]; tls?: ServerOptions } = {},
): Promise<ExtensionServer> {
  const identity = { commonName: 'extension', names: ['localhost', ...names], addresses: ['127.0.0.1', OWN_ADDRESS] };
  const { certificate, key } = pki.issueServer(`extension-${names[0] ?? 'local'}`, identity);
  const server = createServer({ cert: certificate, key, ...tls }, (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => answer(Object.assign(request, { text: Buffer.concat(chunks).toString() }), response));
  });
  await new Promise<void>((listening) => server.listen(0, '0.0.0.0', listening));
  return {
    server,
    port: (server.address() as AddressInfo).port,
    caBundle: Buffer.from(pki.caCertificate).toString('base64'),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}

/** A Service on port 443 that leads to `port` of this machine; without an `address` it has no endpoint. */
export async function createServiceFor(
  { api }: Pick<HttpsApiServer, 'api'>,
  { namespace, name, port, address = OWN_ADDRESS }: { namespace: string; name: string; port: number; address?: string },
): Promise<void> {
  const { client } = api.loopback;
  await client.create(Namespace, { metadata: { name: namespace } } as never).catch((error: unknown) => {
    if (!hasReason(error, 'AlreadyExists')) throw error;
  });
  const spec = { ports: [{ port: 443, targetPort: port, protocol: 'TCP' }] };
  await client.create(Service, { metadata: { namespace, name }, spec } as never);
  const labels = { 'kubernetes.io/service-name': name };
  await client.create(EndpointSlice, {
    metadata: { namespace, name, labels },
    addressType: 'IPv4',
    endpoints: address ? [{ addresses: [address], conditions: { ready: true } }] : [],
    ports: [{ name: '', port, protocol: 'TCP' }],
  } as never);
}

/** Tries until it does not throw; fails with its last error. */
export async function eventually<T>(attempt: () => Promise<T> | T, { forMs = 60_000 } = {}): Promise<T> {
  const endMs = Date.now() + forMs;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() > endMs) throw error;
      await new Promise((turn) => setTimeout(turn, 20));
    }
  }
}
