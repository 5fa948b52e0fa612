/** Discovery and OpenAPI as the stock kubectl reads them. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bodies, catalog } from '#api/catalog.ts';
import { createKindRegistry } from '#api/machinery/kind-registry.ts';
import { AGGREGATED_MEDIA_TYPE, createDiscovery } from '#control-plane/apiserver/discovery/discovery.ts';
import { createOpenApi, GNOSTIC_MEDIA_TYPE } from '#control-plane/apiserver/openapi/openapi.ts';

const run = promisify(execFile);
const registry = createKindRegistry(catalog, bodies);
const discovery = createDiscovery(registry);
const openApi = createOpenApi(registry, {
  version: 'v1.36.0',
  descriptions: () => ({ 'core.v1.PodSpec': ['What a pod is to be.', { containers: 'The containers of the pod.' }] }),
});

let server: Server;
let home: string;
let kubectlPath: string;

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname } = new URL(request.url ?? '/', 'http://localhost');
  const accepted = request.headers.accept ?? '';
  const send = (document: { body: Buffer } | undefined, type = 'application/json') => {
    response.writeHead(document ? 200 : 404, { 'content-type': type }).end(document?.body);
  };
  if (pathname === '/api' || pathname === '/apis')
    return send(discovery.aggregated(pathname === '/api' ? 'api' : 'apis'), AGGREGATED_MEDIA_TYPE);
  if (pathname === '/openapi/v3') return send(await openApi.v3Index());
  if (pathname.startsWith('/openapi/v3/')) return send(openApi.v3(pathname.slice('/openapi/v3/'.length)));
  if (pathname === '/openapi/v2' && accepted.includes('protobuf'))
    return send(await openApi.v2('protobuf'), GNOSTIC_MEDIA_TYPE);
  return send(undefined);
}

beforeAll(async () => {
  const { stdout } = await run(process.execPath, [
    fileURLToPath(new URL('../../tools/kubectl-path.mjs', import.meta.url)),
  ]);
  kubectlPath = stdout.trim();
  home = await mkdtemp(join(tmpdir(), 'kedge-explain-'));
  server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(home, { recursive: true, force: true });
});

async function kubectl(...args: string[]): Promise<string> {
  const { port } = server.address() as AddressInfo;
  const { stdout } = await run(kubectlPath, [`--server=http://127.0.0.1:${port}`, ...args], { env: { HOME: home } });
  return stdout;
}

test('api-resources prints names, short names and kinds', async () => {
  const lines = (await kubectl('api-resources')).split('\n').map((line) => line.split(/\s+/).join(' '));
  expect(lines).toContain('pods po v1 true Pod');
  expect(lines).toContain('deployments deploy apps/v1 true Deployment');
});

test('explain walks version 3 down to a field', async () => {
  const text = await kubectl('explain', 'pod.spec');
  expect(text).toContain('FIELD: spec <PodSpec>');
  expect(text).toContain('What a pod is to be.');
  expect(text).toMatch(/containers\t<\[\]Container> -required-\n\s+The containers of the pod\./);
  expect(await kubectl('explain', 'deployment.spec.template.spec.containers.ports.protocol')).toMatch(
    /ENUM:\s+SCTP\s+TCP\s+UDP/,
  );
});

test('explain reads the protobuf form of version 2', async () => {
  const text = await kubectl('explain', '--output=plaintext-openapiv2', 'pod.spec.containers.ports');
  expect(text).toMatch(/containerPort\t<integer> -required-/);
});
