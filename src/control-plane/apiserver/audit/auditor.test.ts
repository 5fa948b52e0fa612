import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { notFound } from '#api/machinery/status.ts';
import { silentLog } from '#base/log.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { requestInfoOf } from '../request-info.ts';
import type { AuditEvent } from './audit-event.ts';
import { Auditor, sourceIpsOf } from './auditor.ts';
import { AuditLogFile } from './log-file.ts';
import { parsePolicy } from './policy.ts';

const START = Date.UTC(2026, 0, 1);

function recording(level: string, more = '') {
  const events: AuditEvent[] = [];
  const clock = new ManualClock(START);
  const policy = parsePolicy(`apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: ${level}${more}}]`);
  const sink = { write: (event: AuditEvent) => void events.push(event), close: async () => undefined };
  const auditor = new Auditor({ policy, sinks: [sink], clock });
  const begin = (method: string, uri: string) =>
    auditor.begin({
      auditId: 'id-1',
      info: requestInfoOf(method, uri),
      uri,
      user: { name: 'alice', uid: 'u', groups: ['dev'], extra: { scopes: ['a'] } },
      userAgent: 'kubectl/v1.36',
      sourceIps: ['10.0.0.1'],
    })!;
  return { events, clock, auditor, begin };
}

const bytes = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const CONFIG_MAPS = '/api/v1/namespaces/a/configmaps';

test('a create at its two stages, with all that is known', () => {
  const { events, clock, begin } = recording('RequestResponse');
  const request = begin('POST', CONFIG_MAPS);
  const object = { kind: 'ConfigMap', metadata: { name: 'b', uid: 'x' }, data: { k: 'v' } };
  clock.advance(5);
  request.actingAs({ name: 'bob', groups: [] }, 'impersonate:user-info');
  request.annotate('authorization.k8s.io/decision', 'allow');
  request.annotate('authorization.k8s.io/decision', 'forbid');
  request.sent(bytes(object), 'application/json');
  request.answered({ ...object, metadata: { ...object.metadata, resourceVersion: '7' } });
  request.completed(201);
  request.completed(500);
  const common = {
    kind: 'Event',
    apiVersion: 'audit.k8s.io/v1',
    level: 'RequestResponse',
    auditID: 'id-1',
    requestURI: CONFIG_MAPS,
    verb: 'create',
    user: { username: 'alice', uid: 'u', groups: ['dev'], extra: { scopes: ['a'] } },
    sourceIPs: ['10.0.0.1'],
    userAgent: 'kubectl/v1.36',
    requestReceivedTimestamp: '2026-01-01T00:00:00.000000Z',
  };
  expect(events).toEqual([
    {
      ...common,
      stage: 'RequestReceived',
      objectRef: { resource: 'configmaps', namespace: 'a', apiVersion: 'v1' },
      stageTimestamp: '2026-01-01T00:00:00.000000Z',
    },
    {
      ...common,
      stage: 'ResponseComplete',
      impersonatedUser: { username: 'bob' },
      authenticationMetadata: { impersonationConstraint: 'impersonate:user-info' },
      objectRef: { resource: 'configmaps', namespace: 'a', apiVersion: 'v1', name: 'b', uid: 'x' },
      responseStatus: { metadata: {}, code: 201 },
      requestObject: object,
      responseObject: { ...object, metadata: { name: 'b', uid: 'x', resourceVersion: '7' } },
      stageTimestamp: '2026-01-01T00:00:00.005000Z',
      annotations: { 'authorization.k8s.io/decision': 'allow' },
    },
  ]);
});

test.each([
  ['Metadata', undefined, undefined, undefined],
  ['Request', { metadata: { name: 'b' } }, undefined, 'kept'],
  ['RequestResponse', { metadata: { name: 'b' } }, { answer: true }, 'kept'],
] as const)('what the level %s holds of bodies', (level, requestObject, responseObject, annotation) => {
  const { events, begin } = recording(level);
  const request = begin('POST', CONFIG_MAPS);
  request.sent(new TextEncoder().encode('metadata: {name: b}'), 'application/yaml');
  request.annotate('patch', 'kept', 'Request');
  request.answered({ answer: true });
  request.completed(201);
  const last = events.at(-1)!;
  expect([last.requestObject, last.responseObject, last.annotations?.['patch']]).toEqual([
    requestObject,
    responseObject,
    annotation,
  ]);
  expect(last.objectRef?.name).toBe('b');
});

test('a request that takes more than half a second tells where its time went', () => {
  const { events, clock, begin } = recording('Metadata');
  const elsewhere = { queuedMs: 0, mutatingWebhooksMs: 300, validatingWebhooksMs: 150.5 };
  for (const tookMs of [500, 1_501]) {
    const request = begin('POST', CONFIG_MAPS);
    clock.advance(tookMs);
    request.completed(201, elsewhere);
  }
  expect(events.filter(({ stage }) => stage === 'ResponseComplete').map(({ annotations }) => annotations)).toEqual([
    undefined,
    {
      'apiserver.latency.k8s.io/mutating-webhook': '300ms',
      'apiserver.latency.k8s.io/validating-webhook': '150.5ms',
      'apiserver.latency.k8s.io/total': '1.501s',
    },
  ]);
});

test('managed fields are left out of objects and lists where the policy says so', () => {
  const { events, begin } = recording('RequestResponse', ', omitManagedFields: true');
  const one = { metadata: { name: 'b', managedFields: [{ manager: 'x' }] } };
  const request = begin('GET', CONFIG_MAPS);
  request.answered({ items: [one, one] });
  request.completed(200);
  expect(JSON.stringify(events.at(-1))).not.toContain('managedFields');
  const list = events.at(-1)!.responseObject as { items: unknown[] };
  expect(list.items).toEqual([{ metadata: { name: 'b' } }, { metadata: { name: 'b' } }]);
});

test('a refusal, a bug, a client that has gone', () => {
  const { events, begin } = recording('Metadata', ', omitStages: [RequestReceived]');
  begin('GET', `${CONFIG_MAPS}/b`).failed(notFound({ group: '', plural: 'configmaps' }, 'b'));
  begin('GET', `${CONFIG_MAPS}/b`).failed(new TypeError('x is undefined'));
  begin('GET', `${CONFIG_MAPS}/b`).completed(0);
  expect(events.map(({ stage, responseStatus }) => ({ stage, ...responseStatus }))).toEqual([
    {
      stage: 'ResponseComplete',
      metadata: {},
      status: 'Failure',
      message: 'configmaps "b" not found',
      reason: 'NotFound',
      details: { name: 'b', kind: 'configmaps' },
      code: 404,
    },
    {
      stage: 'Panic',
      metadata: {},
      status: 'Failure',
      message: "APIServer panic'd: x is undefined",
      reason: 'InternalError',
      code: 500,
    },
    { stage: 'ResponseComplete', metadata: {}, status: 'Success', message: 'Connection closed early', code: 200 },
  ]);
});

test('a watch has its beginning on record as well', () => {
  const { events, begin } = recording('Metadata');
  const request = begin('GET', `${CONFIG_MAPS}?watch=1`);
  request.started(200);
  request.completed(200);
  expect(events.map(({ stage, verb }) => `${stage} ${verb}`)).toEqual([
    'RequestReceived watch',
    'ResponseStarted watch',
    'ResponseComplete watch',
  ]);
});

test('where a request comes from: who says so, then who is connected', () => {
  expect(sourceIpsOf({ 'x-forwarded-for': '1.1.1.1, 2.2.2.2', 'x-real-ip': '3.3.3.3' }, '::ffff:4.4.4.4')).toEqual([
    '1.1.1.1',
    '2.2.2.2',
    '3.3.3.3',
    '4.4.4.4',
  ]);
  expect(sourceIpsOf({ 'x-forwarded-for': '1.1.1.1' }, '1.1.1.1')).toEqual(['1.1.1.1']);
});

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'audit-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const event = (text: string) => ({ requestURI: text, user: {} }) as AuditEvent;

test('the log holds a line an event, goes on where it was, and is its owner alone to read', async () => {
  const path = join(folder, 'logs', 'audit.log');
  for (const turn of ['first', 'second']) {
    const log = new AuditLogFile({ path, clock: new ManualClock(START), log: silentLog });
    log.write(event(turn));
    log.write(event(`${turn} again`));
    await log.close();
  }
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
  expect(lines.map((line) => JSON.parse(line).requestURI)).toEqual(['first', 'first again', 'second', 'second again']);
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test('a full file is set aside under its time, and the oldest of those go', async () => {
  const path = join(folder, 'audit.log');
  const clock = new ManualClock(START);
  writeFileSync(join(folder, 'audit-notes.log'), 'mine');
  const log = new AuditLogFile({ path, maxSizeMb: 1, maxBackups: 2, clock, log: silentLog });
  for (let i = 0; i < 5; i++) {
    log.write(event(`${i} ${'x'.repeat(700_000)}`));
    await new Promise(setImmediate);
    clock.advance(1000);
  }
  await log.close();
  const names = readdirSync(folder).sort();
  expect(names).toHaveLength(4);
  expect(names).toContain('audit-notes.log');
  expect(names.filter((name) => /^audit-2026-01-01T00-00-0\d\.\d{3}\.log$/.test(name))).toHaveLength(2);
  expect(JSON.parse(readFileSync(path, 'utf8')).requestURI).toMatch(/^4 /);
});

test('files that were set aside go when they are too old', async () => {
  const path = join(folder, 'audit.log');
  const clock = new ManualClock(START);
  writeFileSync(join(folder, 'audit-2025-12-01T00-00-00.000.log'), 'old');
  writeFileSync(join(folder, 'audit-2025-12-31T00-00-00.000.log'), 'young');
  const log = new AuditLogFile({ path, maxSizeMb: 1, maxAgeDays: 7, clock, log: silentLog });
  for (let i = 0; i < 2; i++) log.write(event('x'.repeat(700_000)));
  await log.close();
  expect(readdirSync(folder).sort()).toEqual([
    'audit-2025-12-31T00-00-00.000.log',
    'audit-2026-01-01T00-00-00.000.log',
    'audit.log',
  ]);
});
