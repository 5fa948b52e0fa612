/** What is told of a server's answers: one that serves pods, has one of them, and leads to none of its ports. */
import { once } from 'node:events';
import { createSecureServer, type Http2SecureServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { type Duplex, PassThrough } from 'node:stream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { selfSigned } from '#cmd/pki/certificate.ts';
import { systemClock } from '#cmd/system-clock.ts';
import { runVerb } from './run-verb.ts';
import { verbs } from './verbs.ts';

const PODS = {
  resource: 'pods',
  responseKind: { group: '', version: 'v1', kind: 'Pod' },
  scope: 'Namespaced',
  singularResource: 'pod',
  verbs: ['get', 'list'],
};
const DISCOVERY = { kind: 'APIGroupDiscoveryList', apiVersion: 'apidiscovery.k8s.io/v2', metadata: {} };
const POD = {
  ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a', namespace: 'default' } },
  ...{ spec: { containers: [{ name: 'c', image: 'i' }] }, status: { phase: 'Running' } },
};
const ANSWERS: Readonly<Record<string, object>> = {
  '/api': { ...DISCOVERY, items: [{ metadata: { name: '' }, versions: [{ version: 'v1', resources: [PODS] }] }] },
  '/apis': { ...DISCOVERY, items: [] },
  '/api/v1/namespaces/default/pods': { apiVersion: 'v1', kind: 'PodList', metadata: {}, items: [] },
  '/api/v1/namespaces/default/pods/a': POD,
};

let server: Http2SecureServer;
beforeAll(async () => {
  const pair = selfSigned({ commonName: 'localhost', notBeforeMs: 0, notAfterMs: 4e12, usage: 'server' });
  server = createSecureServer({ cert: pair.certificate, key: pair.key, allowHTTP1: true }, (request, reply) => {
    const answer = ANSWERS[(request.url ?? '').replace(/\?.*/, '')];
    const isDiscovery = answer && 'apiVersion' in answer && answer.apiVersion === DISCOVERY.apiVersion;
    const type = `application/json${isDiscovery ? ';g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList' : ''}`;
    reply.writeHead(answer ? 200 : 404, { 'content-type': type }).end(JSON.stringify(answer ?? {}));
  });
  server.on('upgrade', (_request: unknown, socket: Duplex) =>
    socket.end('HTTP/1.1 400 Bad Request\r\ncontent-length: 9\r\nconnection: close\r\n\r\nno ports\n'),
  );
  await once(server.listen(0, '127.0.0.1'), 'listening');
});
afterAll(() => {
  server.close();
});

async function told(line: string): Promise<{ code: number; out: string; err: string }> {
  const said = { out: '', err: '' };
  const [name, ...args] = line.split(' ');
  const verb = await verbs.find((each) => each.name === name)!.load();
  const address = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const code = await runVerb(verb, [...args, '--server', address, '--insecure-skip-tls-verify'], {
    out: (text) => {
      said.out += text;
    },
    err: (text) => {
      said.err += text;
    },
    readAll: async () => '',
    ...{ stdin: new PassThrough(), env: { HOME: '/nonexistent' }, folder: '/', clock: systemClock },
    signal: AbortSignal.timeout(3_000),
  });
  return { code, ...said };
}

/** As kubectl 1.36 tells them. */
test.each([
  ['edit pods', 'edit cancelled, no objects found'],
  ['port-forward a 80', 'error upgrading connection: unable to upgrade connection: no ports'],
  ['explain .', 'a resource must be present, got: /, Resource='],
  ['explain .pods', 'invalid jsonpath syntax, first node must be field node'],
  ['label x --all a=b', `the server doesn't have a resource type "x"`],
  ['label pods a=', 'resource(s) were provided, but no name was specified'],
])('%s: %s', async (line, text) => {
  expect(await told(line)).toEqual({ code: 1, out: '', err: `error: ${text}\n` });
});

test('of nothing nothing is told', async () => {
  expect(await told('label pods a= --all')).toEqual({ code: 0, out: '', err: '' });
});
