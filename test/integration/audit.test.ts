/** Who did what, as the audit log tells it: over HTTP, as somebody else, from within the process, and to a server elsewhere. */

import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, request, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { silentLog } from '#base/log.ts';
import { apiServerIdentity } from '#cmd/pki/cluster-identities.ts';
import { ensurePki, type Pki } from '#cmd/pki/pki.ts';
import { systemClock } from '#cmd/system-clock.ts';
import type { AuditEvent, AuditSink } from '#control-plane/apiserver/audit/audit-event.ts';
import { Auditor } from '#control-plane/apiserver/audit/auditor.ts';
import { parsePolicy } from '#control-plane/apiserver/audit/policy.ts';
import { AuditWebhookSink } from '#control-plane/apiserver/audit/webhook-sink.ts';
import { type HttpsApiServer, startHttpsApiServer } from './https-api-server.ts';

let server: HttpsApiServer | undefined;
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  await server?.[Symbol.asyncDispose]();
  server = undefined;
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

async function audited(rules: string, sink?: AuditSink) {
  const events: AuditEvent[] = [];
  const auditor = new Auditor({
    policy: parsePolicy(`apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n${rules}`),
    sinks: [sink ?? { write: (event) => void events.push(event), close: async () => undefined }],
    clock: systemClock,
  });
  server = await startHttpsApiServer({ auditor });
  events.length = 0;
  return { events, server };
}

interface Ask {
  method?: string;
  headers?: Record<string, string>;
  body?: string;
  as?: { user: string; groups: string[] };
}

function ask(path: string, { method = 'GET', headers = {}, body, as }: Ask = {}) {
  const pair = as && server!.pki.issueClient(`user-${as.user}`, as);
  return new Promise<{ code: number; auditId: unknown; text: string }>((resolve, reject) => {
    const options = {
      method,
      headers,
      ca: server!.pki.caCertificate,
      agent: false,
      ...(pair && { cert: pair.certificate, key: pair.key }),
    };
    const sent = request(`${server!.url}${path}`, options, (answer) => {
      let text = '';
      answer.on('data', (chunk: Buffer) => {
        text += chunk.toString();
      });
      answer.on('end', () => resolve({ code: answer.statusCode ?? 0, auditId: answer.headers['audit-id'], text }));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

const admin = { user: 'root', groups: ['system:masters'] };
const SECRETS = '/api/v1/namespaces/default/secrets';
const json = { 'content-type': 'application/json' };

test('a secret is on record as the policy says: that it was written, not what is in it', async () => {
  const { events } = await audited('- {level: Metadata, resources: [{resources: [secrets]}]}');
  const body = JSON.stringify({ metadata: { name: 'top' }, stringData: { password: 'hunter2' } });
  const { code, auditId } = await ask(SECRETS, { method: 'POST', headers: json, body, as: admin });
  await ask('/api/v1/namespaces/default/configmaps', { as: admin });
  expect(code).toBe(201);
  expect(events.map(({ stage }) => stage)).toEqual(['RequestReceived', 'ResponseComplete']);
  const [, last] = events;
  expect(last).toMatchObject({
    level: 'Metadata',
    auditID: auditId,
    verb: 'create',
    requestURI: SECRETS,
    user: { username: 'root', groups: ['system:masters', 'system:authenticated'] },
    sourceIPs: ['127.0.0.1'],
    objectRef: { resource: 'secrets', namespace: 'default', name: 'top', apiVersion: 'v1' },
    responseStatus: { code: 201 },
    annotations: { 'authorization.k8s.io/decision': 'allow', 'authorization.k8s.io/reason': '' },
  });
  expect(JSON.stringify(events)).not.toContain('hunter2');
  expect(JSON.stringify(events)).not.toContain(Buffer.from('hunter2').toString('base64'));
});

test('acting as somebody else: both are named, and why it was refused', async () => {
  const { events } = await audited('- {level: RequestResponse, verbs: [get]}');
  const headers = { 'impersonate-user': 'bob', 'audit-id': 'mine' };
  const { code, auditId } = await ask(`${SECRETS}/top`, { headers, as: admin });
  expect([code, auditId]).toEqual([403, 'mine']);
  expect(events.at(-1)).toMatchObject({
    auditID: 'mine',
    user: { username: 'root' },
    impersonatedUser: { username: 'bob', groups: ['system:authenticated'] },
    responseStatus: { status: 'Failure', reason: 'Forbidden', code: 403 },
    responseObject: { kind: 'Status', code: 403 },
    annotations: { 'authorization.k8s.io/decision': 'forbid' },
  });
});

test('what cannot say who it is has its refusal on record', async () => {
  const { events } = await audited('- {level: Metadata, namespaces: [default], resources: [{resources: [secrets]}]}');
  const { code } = await ask(SECRETS, { headers: { authorization: 'Bearer nonsense' } });
  expect(code).toBe(401);
  expect(events).toHaveLength(1);
  expect(events[0]).toMatchObject({
    stage: 'ResponseStarted',
    user: {},
    responseStatus: { message: 'Authentication failed, attempted: bearer', code: 401 },
  });
});

test('a watch has its beginning and its end on record', async () => {
  const { events } = await audited('- {level: Metadata, verbs: [watch], resources: [{resources: [secrets]}]}');
  await ask(`${SECRETS}?watch=1&timeoutSeconds=1`, { as: admin });
  expect(events.map(({ stage }) => stage)).toEqual(['RequestReceived', 'ResponseStarted', 'ResponseComplete']);
});

test('components within the process are on record under their own names', async () => {
  const { events, server } = await audited(
    '- {level: Request, verbs: [create, get], resources: [{resources: [configmaps]}]}',
  );
  const { transport } = server.api.loopback.client;
  const path = '/api/v1/namespaces/default/configmaps';
  await transport.request({ method: 'POST', path, object: { metadata: { name: 'x' }, data: { a: '1' } } });
  await transport.request({ method: 'GET', path: `${path}/gone` }).catch(() => undefined);
  const done = events.filter(({ stage }) => stage === 'ResponseComplete');
  expect(done).toMatchObject([
    { user: { username: 'system:apiserver' }, sourceIPs: ['::1'], requestObject: { data: { a: '1' } } },
    { verb: 'get', responseStatus: { code: 404, reason: 'NotFound' } },
  ]);
});

test('admission annotates the event', async () => {
  const { events, server } = await audited('- {level: Metadata, verbs: [create], resources: [{resources: [pods]}]}');
  const labels = { 'pod-security.kubernetes.io/audit': 'restricted' };
  await server.api.loopback.client.transport.request({
    method: 'POST',
    path: '/api/v1/namespaces',
    object: { metadata: { name: 'guarded', labels } },
  });
  const body = JSON.stringify({ metadata: { name: 'p' }, spec: { containers: [{ name: 'c', image: 'i' }] } });
  await ask('/api/v1/namespaces/guarded/serviceaccounts', {
    method: 'POST',
    headers: json,
    body: '{"metadata":{"name":"default"}}',
    as: admin,
  });
  const { code } = await ask('/api/v1/namespaces/guarded/pods', { method: 'POST', headers: json, body, as: admin });
  expect(code).toBe(201);
  expect(events.at(-1)?.annotations?.['pod-security.kubernetes.io/audit-violations']).toMatch(
    /^would violate PodSecurity "restricted:latest"/,
  );
});

test('events go elsewhere in batches, and again when that has failed', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'audit-'));
  const pki: Pki = ensurePki({ directory: folder, clock: systemClock });
  const received: { items: AuditEvent[] }[] = [];
  let refusals = 1;
  const receiver: Server = createServer(tlsOf(pki), (incoming, answer) => {
    let text = '';
    incoming.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    incoming.on('end', () => {
      if (refusals-- > 0) answer.writeHead(503).end();
      else {
        received.push(JSON.parse(text));
        answer.writeHead(200).end();
      }
    });
  }).listen(0, '127.0.0.1');
  await new Promise((listening) => receiver.once('listening', listening));
  cleanups.push(
    () => new Promise((closed) => receiver.close(closed)),
    () => rmSync(folder, { recursive: true, force: true }),
  );
  const sink = new AuditWebhookSink({
    endpoint: { url: `https://127.0.0.1:${(receiver.address() as AddressInfo).port}/events`, ca: pki.caCertificate },
    clock: systemClock,
    log: silentLog,
    initialBackoffMs: 10,
    maxBatchSize: 3,
    maxBatchWaitMs: 50,
  });
  for (let i = 0; i < 7; i++) sink.write({ requestURI: `/${i}` } as AuditEvent);
  await sink.close();
  expect(received.map(({ items }) => items.length).sort()).toEqual([1, 3, 3]);
  expect(received[0]).toMatchObject({ kind: 'EventList', apiVersion: 'audit.k8s.io/v1' });
  expect(received.flatMap(({ items }) => items.map(({ requestURI }) => requestURI)).sort()).toEqual(
    Array.from({ length: 7 }, (_, i) => `/${i}`),
  );
});

test('a server that does not keep up costs events, not memory', async () => {
  const sink = new AuditWebhookSink({
    endpoint: { url: 'https://127.0.0.1:9/events' },
    clock: systemClock,
    log: silentLog,
    initialBackoffMs: 1,
    bufferSize: 5,
    maxBatchSize: 1000,
  });
  for (let i = 0; i < 100; i++) sink.write({ requestURI: `/${i}` } as AuditEvent);
  await sink.close();
});

const tlsOf = (pki: Pki) => {
  const { certificate, key } = pki.issueServer('receiver', apiServerIdentity({ addresses: ['127.0.0.1'] }));
  return { cert: certificate, key };
};
