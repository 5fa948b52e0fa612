/** Priority and fairness as clients meet it: its objects, its headers, waiting, being turned away. */
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { FlowSchema } from '#api/flowcontrol/v1/flow-schema.ts';
import { PriorityLevelConfiguration } from '#api/flowcontrol/v1/priority-level-configuration.ts';
import { deferred } from '#base/deferred.ts';
import { Client } from '#client/client.ts';
import type { Transport, UserInfo } from '#client/transport.ts';
import { allow } from '#control-plane/apiserver/authorization/authorizer.ts';
import { ensureBootstrapConfig } from '#control-plane/apiserver/flow-control/ensure-bootstrap-config.ts';
import { type HttpsApiServer, startHttpsApiServer } from './https-api-server.ts';
import { RawClient } from './raw-client.ts';

const busy: UserInfo = { name: 'busy', groups: [] };
const other: UserInfo = { name: 'other', groups: [] };
const PODS = '/api/v1/namespaces/default/pods';
/** A pod that nobody is let near before the gate opens. */
const SLOW = `${PODS}/slow`;

let server: HttpsApiServer;
let client: Client;
let raw: RawClient;
let gate = deferred();

beforeEach(async () => {
  gate = deferred();
  server = await startHttpsApiServer({
    authorizer: {
      async authorize(attributes) {
        if ('name' in attributes && attributes.name === 'slow') await gate.promise;
        return allow();
      },
    },
  });
  ({ client } = server.api.loopback);
  raw = new RawClient(server);
});
afterEach(async () => {
  gate.resolve();
  await server[Symbol.asyncDispose]();
});

const ofUser = (name: string, level: string) => ({
  metadata: { name: `${name}-flow` },
  spec: {
    matchingPrecedence: 50,
    priorityLevelConfiguration: { name: level },
    distinguisherMethod: { type: 'ByUser' },
    rules: [
      {
        subjects: [{ kind: 'User', user: { name } }],
        resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'], namespaces: ['*'], clusterScope: true }],
      },
    ],
  },
});
const level = (name: string, limitResponse: object) => ({
  metadata: { name },
  spec: {
    type: 'Limited',
    limited: { nominalConcurrencyShares: 1, lendablePercent: 0, borrowingLimitPercent: 0, limitResponse },
  },
});

/** Of the level's 3 seats (600 shared among 246 shares, rounded up). */
async function configure(limitResponse: object): Promise<void> {
  await client.create(PriorityLevelConfiguration, level('narrow', limitResponse) as never);
  await client.create(FlowSchema, ofUser('busy', 'narrow') as never);
  await expect
    .poll(() => raw.ask('/debug/api_priority_and_fairness/dump_priority_levels').then(({ text }) => text))
    .toContain('narrow');
}

const watching = async (): Promise<number> => {
  const { text } = await raw.ask('/metrics');
  const counts = [...text.matchAll(/^apiserver_longrunning_requests\{verb="WATCH"[^}]*\} (\d+)/gm)];
  return counts.reduce((sum, [, count]) => sum + Number(count), 0);
};
const executing = async () =>
  Number(
    /^narrow, +\d+, +\w+, +\w+, +\d+, +(\d+)/m.exec(
      (await raw.ask('/debug/api_priority_and_fairness/dump_priority_levels')).text,
    )?.[1],
  );
const waiting = async () =>
  Number(
    /^narrow, +\d+, +\w+, +\w+, +(\d+)/m.exec(
      (await raw.ask('/debug/api_priority_and_fairness/dump_priority_levels')).text,
    )?.[1],
  );

test('what is there as it should be is not written again: a server that starts reads, and no more', async () => {
  const methods: string[] = [];
  const { transport } = client;
  const recording: Transport = {
    request(request) {
      methods.push(request.method);
      return transport.request(request);
    },
    watch: (request) => transport.watch(request),
  };
  await ensureBootstrapConfig(new Client(recording));
  expect(methods).toEqual(['GET', 'GET']);
});

test('a new cluster has upstream’s objects, and all of its schemas lead somewhere', async () => {
  const levels = await client.list(PriorityLevelConfiguration);
  expect(levels.items.map(({ metadata }) => metadata.name).sort()).toEqual([
    'catch-all',
    'exempt',
    'global-default',
    'leader-election',
    'node-high',
    'system',
    'workload-high',
    'workload-low',
  ]);
  const conditions = async () =>
    (await client.list(FlowSchema)).items.map(({ metadata, status }) => {
      const [{ type, status: isSo, reason, message } = {}] = status?.conditions ?? [];
      return [metadata.name, type, isSo, reason, message];
    });
  await expect.poll(async () => (await conditions()).filter(([, type]) => type).length).toBe(11);
  expect(await conditions()).toContainEqual([
    'global-default',
    'Dangling',
    'False',
    'Found',
    'This FlowSchema references the PriorityLevelConfiguration object named "global-default" and it exists',
  ]);
});

test('what is mandatory may not be changed, but for the shares of the exempt level', async () => {
  const refused = async (work: Promise<unknown>) =>
    (
      await work.then(
        () => undefined,
        (error: Error) => error,
      )
    )?.message;
  const change = (name: string, spec: object) =>
    refused(client.patch(PriorityLevelConfiguration, { name }, { type: 'merge', patch: { spec } }));
  const flow = (name: string, spec: object) =>
    refused(client.patch(FlowSchema, { name }, { type: 'merge', patch: { spec } }));
  expect(await change('catch-all', { limited: { nominalConcurrencyShares: 7 } })).toMatch(
    /^PriorityLevelConfiguration\.flowcontrol\.apiserver\.k8s\.io "catch-all" is invalid: spec: Invalid value: \{.*\}: spec of 'catch-all' must equal the fixed value$/,
  );
  expect(await change('exempt', { exempt: { nominalConcurrencyShares: 9, lendablePercent: 50 } })).toBeUndefined();
  expect(await change('exempt', { type: 'Limited', exempt: null })).toMatch(
    /: spec of 'exempt' except the 'spec\.exempt' field must equal the fixed value\]$/,
  );
  expect(await flow('catch-all', { distinguisherMethod: { type: 'ByNamespace' } })).toMatch(
    /^FlowSchema\.flowcontrol\.apiserver\.k8s\.io "catch-all" is invalid: spec: Invalid value: \{.*\}: spec of 'catch-all' must equal the fixed value$/,
  );
  expect(await flow('exempt', { priorityLevelConfiguration: { name: 'system' } })).toMatch(
    /: spec of 'exempt' must equal the fixed value$/,
  );
  expect(await flow('probes', { matchingPrecedence: 3 })).toBeUndefined();
});

test('what is mandatory comes back; what is suggested is the user’s once they have changed it', async () => {
  const get = async (name: string) => client.get(PriorityLevelConfiguration, { name });
  const shares = async (name: string) => (await get(name)).spec.limited?.nominalConcurrencyShares;
  const set = (name: string, nominalConcurrencyShares: number, annotations?: Record<string, string | null>) =>
    client.patch(
      PriorityLevelConfiguration,
      { name },
      {
        type: 'merge',
        patch: { ...(annotations && { metadata: { annotations } }), spec: { limited: { nominalConcurrencyShares } } },
      },
    );
  await client.delete(PriorityLevelConfiguration, { name: 'catch-all' });
  await set('system', 7);
  await set('workload-low', 7, { 'apf.kubernetes.io/autoupdate-spec': null });
  await set('node-high', 7, { 'apf.kubernetes.io/autoupdate-spec': 'false' });
  await client.delete(FlowSchema, { name: 'exempt' });
  await client.delete(FlowSchema, { name: 'probes' });
  await ensureBootstrapConfig(client);
  expect(await Promise.all(['catch-all', 'system', 'workload-low', 'node-high'].map(shares))).toEqual([5, 30, 7, 7]);
  const annotation = (await get('workload-low')).metadata.annotations?.['apf.kubernetes.io/autoupdate-spec'];
  expect(annotation).toBe('false');
  const flows = (await client.list(FlowSchema)).items.map(({ metadata }) => metadata.name);
  expect(flows).toContain('exempt');
  expect(flows).not.toContain('probes');
});

test('every answer says which schema and level the request was taken under', async () => {
  const uid = async (kind: typeof FlowSchema | typeof PriorityLevelConfiguration, name: string) =>
    (await client.get(kind as typeof FlowSchema, { name })).metadata.uid;
  const expected = [await uid(FlowSchema, 'global-default'), await uid(PriorityLevelConfiguration, 'global-default')];
  const seen = async (path: string) => {
    const { headers } = await raw.ask(path, { as: other });
    return [headers['x-kubernetes-pf-flowschema-uid'], headers['x-kubernetes-pf-prioritylevel-uid']];
  };
  await expect.poll(() => seen(`${PODS}/none`)).toEqual(expected);
  expect(await seen('/version')).toEqual(expected);
  expect(await seen(PODS)).toEqual(expected);
});

test('a schema that leads nowhere says so, until its level is there', async () => {
  await client.create(FlowSchema, ofUser('busy', 'missing') as never);
  const condition = async () => {
    const { status } = await client.get(FlowSchema, { name: 'busy-flow' });
    const found = status?.conditions?.find(({ type }) => type === 'Dangling');
    return [found?.status, found?.reason, found?.message];
  };
  const message = 'This FlowSchema references the PriorityLevelConfiguration object named "missing"';
  await expect.poll(condition).toEqual(['True', 'NotFound', `${message} but there is no such object`]);
  const answer = await raw.ask(PODS, { as: busy });
  const fallback = await client.get(FlowSchema, { name: 'global-default' });
  expect(answer.headers['x-kubernetes-pf-flowschema-uid']).toBe(fallback.metadata.uid);
  await client.create(PriorityLevelConfiguration, level('missing', { type: 'Reject' }) as never);
  await expect.poll(condition).toEqual(['False', 'Found', `${message} and it exists`]);
});

test('a level that is full turns others away, and only others of its own', async () => {
  await configure({ type: 'Reject' });
  const held = [1, 2, 3].map(() => raw.ask(SLOW, { as: busy }));
  await expect.poll(executing).toBe(3);
  const refused = await raw.ask(PODS, { as: busy });
  expect(refused).toMatchObject({
    code: 429,
    text: 'Too many requests, please try again later.\n',
    headers: { 'retry-after': '1', 'content-type': 'text/plain; charset=utf-8' },
  });
  expect(refused.headers['x-kubernetes-pf-prioritylevel-uid']).toBe(
    (await client.get(PriorityLevelConfiguration, { name: 'narrow' })).metadata.uid,
  );
  expect((await raw.ask(PODS, { as: other })).code).toBe(200);
  const { text } = await raw.ask('/metrics');
  expect(text).toContain(
    'apiserver_flowcontrol_rejected_requests_total{priority_level="narrow",flow_schema="busy-flow",reason="concurrency-limit"} 1',
  );
  expect(text).toContain(
    'apiserver_flowcontrol_current_executing_requests{priority_level="narrow",flow_schema="busy-flow"} 3',
  );
  expect(text).toContain('apiserver_flowcontrol_nominal_limit_seats{priority_level="narrow"} 3');
  gate.resolve();
  expect((await Promise.all(held)).map(({ code }) => code)).toEqual([404, 404, 404]);
  expect((await raw.ask(PODS, { as: busy })).code).toBe(200);
});

test('with queues they wait, within the length of the queue', async () => {
  await configure({ type: 'Queue', queuing: { queues: 1, handSize: 1, queueLengthLimit: 2 } });
  const held = [1, 2, 3].map(() => raw.ask(SLOW, { as: busy }));
  await expect.poll(executing).toBe(3);
  const patient = [1, 2].map(() => raw.ask(PODS, { as: busy }));
  await expect.poll(waiting).toBe(2);
  expect((await raw.ask(PODS, { as: busy })).code).toBe(429);
  const requests = await raw.ask('/debug/api_priority_and_fairness/dump_requests?includeRequestDetails=1');
  expect(requests.text).toMatch(
    /narrow, +busy-flow, +0, +1, +busy, .*, +busy, +list, +\/api\/v1\/namespaces\/default\/pods, /,
  );
  gate.resolve();
  expect((await Promise.all([...held, ...patient])).map(({ code }) => code)).toEqual([404, 404, 404, 200, 200]);
  const { text } = await raw.ask('/metrics');
  const [whole, own] = ['request_duration', 'request_sli_duration'].map((name) =>
    Number(
      new RegExp(`^apiserver_${name}_seconds_sum\\{verb="LIST".*resource="pods".* ([\\d.e-]+)$`, 'm').exec(text)?.[1],
    ),
  );
  expect(own).toBeLessThan(whole!); // the wait is not the server's own time
});

test('who goes while it waits leaves its place', async () => {
  await configure({ type: 'Queue', queuing: { queues: 1, handSize: 1, queueLengthLimit: 2 } });
  const held = [1, 2, 3].map(() => raw.ask(SLOW, { as: busy }));
  await expect.poll(executing).toBe(3);
  const gone = new AbortController();
  const impatient = raw.ask(PODS, { as: busy, signal: gone.signal });
  await expect.poll(waiting).toBe(1);
  gone.abort();
  await expect(impatient).rejects.toThrow();
  await expect.poll(waiting).toBe(0);
  const { text } = await raw.ask('/metrics');
  const turnedAway =
    /^apiserver_flowcontrol_rejected_requests_total\{.*flow_schema="busy-flow",.*reason="(.*?)".*\} 1$/m;
  expect(turnedAway.exec(text)?.[1]).toBe('cancelled'); // not because it has waited too long
  gate.resolve();
  await Promise.all(held);
});

test('who has waited for a quarter of its time is turned away', async () => {
  await configure({ type: 'Queue', queuing: { queues: 1, handSize: 1, queueLengthLimit: 2 } });
  const held = [1, 2, 3].map(() => raw.ask(SLOW, { as: busy }));
  await expect.poll(executing).toBe(3);
  expect((await raw.ask(`${PODS}?timeout=400ms`, { as: busy })).code).toBe(429);
  gate.resolve();
  await Promise.all(held);
});

test('a watch holds its seat only until it has said what is there', async () => {
  await configure({ type: 'Reject' });
  const stop = new AbortController();
  const before = await watching();
  const watches = [];
  for (let n = 1; n <= 10; n++) {
    const kind = n % 2 === 0 ? 'configmaps' : 'namespaces/none/pods';
    const watch = raw.ask(`/api/v1/${kind}?watch=1`, { as: busy, signal: stop.signal });
    watch.catch(() => undefined);
    watches.push(watch);
    await expect.poll(watching).toBe(before + n);
    await expect.poll(executing).toBe(0);
  }
  expect((await raw.ask(PODS, { as: busy })).code).toBe(200);
  stop.abort();
  await Promise.allSettled(watches);
});

test('a watch over a WebSocket takes a seat as well, until it has said what is there', async () => {
  await configure({ type: 'Reject' });
  const url = `${server.url.replace('https', 'wss')}/api/v1/namespaces/default/configmaps?watch=1`;
  const open = () => new WebSocket(url, ['binary.k8s.io'], raw.tls(busy));
  const held = [1, 2, 3].map(() => raw.ask(SLOW, { as: busy }));
  await expect.poll(executing).toBe(3);
  const refused = open();
  refused.on('error', () => undefined); // the refusal makes one
  const [, answer] = (await once(refused, 'unexpected-response')) as [unknown, IncomingMessage];
  expect(answer.statusCode).toBe(429);
  expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
  answer.destroy();
  gate.resolve();
  await Promise.all(held);
  const watches = [];
  for (let i = 0; i < 5; i++) {
    const watch = open();
    await once(watch, 'open');
    watches.push(watch);
    await expect.poll(executing).toBe(0);
  }
  expect((await raw.ask(PODS, { as: busy })).code).toBe(200);
  for (const watch of watches) watch.terminate();
});

interface ApiObject {
  metadata: { name: string; resourceVersion: string; labels?: object; annotations?: Record<string, string> };
  spec: Record<string, unknown>;
  status: { conditions?: { type: string; status: string; reason: string; message: string }[] };
}

test.each([
  ['FlowSchema', 'flowschemas', () => ofUser('conformance', 'exempt'), 'matchingPrecedence', 9999],
  ['PriorityLevelConfiguration', 'prioritylevelconfigurations', () => level('conformance', { type: 'Reject' }), '', 0],
] as const)(
  'API priority and fairness should support %s API operations',
  async (kind, plural, objectOf, field, changed) => {
    const root = `/apis/flowcontrol.apiserver.k8s.io/v1/${plural}`;
    const send = async (method: string, path: string, object: object, type = 'application/json') => {
      const { code, text } = await raw.ask(path, {
        method,
        body: JSON.stringify(object),
        headers: { 'content-type': type },
      });
      expect([path, code, code < 300 ? '' : text]).toEqual([path, method === 'POST' ? 201 : 200, '']);
      return JSON.parse(text) as ApiObject;
    };
    const read = async (path: string) => JSON.parse((await raw.ask(path)).text);
    /** Again after a conflict: the server writes conditions of its own. */
    const put = async (path: string, change: (now: ApiObject) => object): Promise<ApiObject> => {
      for (;;) {
        const body = JSON.stringify(change(await read(path)));
        const { code, text } = await raw.ask(path, { method: 'PUT', body });
        if (code !== 409) return JSON.parse(text) as ApiObject;
      }
    };
    const labels = { 'special-label': 'conformance' };
    const object = (suffix: string) => {
      const { metadata, spec } = objectOf();
      return { metadata: { name: `${metadata.name}-${suffix}`, labels }, spec };
    };

    const group = await read('/apis/flowcontrol.apiserver.k8s.io');
    expect(group.versions).toContainEqual({ groupVersion: 'flowcontrol.apiserver.k8s.io/v1', version: 'v1' });
    const { resources } = await read('/apis/flowcontrol.apiserver.k8s.io/v1');
    expect(resources.map(({ name }: { name: string }) => name)).toEqual(
      expect.arrayContaining([plural, `${plural}/status`]),
    );

    const made = await send('POST', root, object('0'));
    for (const suffix of ['1', '2']) await send('POST', root, object(suffix));
    const path = `${root}/${made.metadata.name}`;
    expect((await read(path)).metadata.name).toBe(made.metadata.name);
    const selected = `${root}?labelSelector=special-label%3Dconformance`;
    expect((await read(selected)).items).toHaveLength(3);

    const merge = 'application/merge-patch+json';
    const patched = await send('PATCH', path, { metadata: { annotations: { patched: 'true' } } }, merge);
    expect(patched.metadata.annotations).toMatchObject({ patched: 'true' });
    const updated = await put(path, ({ metadata, spec, ...rest }) => ({
      ...rest,
      metadata: { ...metadata, annotations: { ...metadata.annotations, updated: 'true' } },
      spec: field ? { ...spec, [field]: changed } : spec,
    }));
    expect(updated.metadata.annotations).toMatchObject({ patched: 'true', updated: 'true' });
    if (field) expect(updated.spec[field]).toBe(changed);

    const condition = (message: string) => ({ type: 'foo', status: 'True', reason: 'Test', message });
    await read(`${path}/status`);
    const status = await send('PATCH', `${path}/status`, { status: { conditions: [condition('patched')] } }, merge);
    expect(status.status.conditions).toContainEqual(expect.objectContaining({ type: 'foo', message: 'patched' }));
    const told = await put(`${path}/status`, (now) => ({ ...now, status: { conditions: [condition('updated')] } }));
    expect(told.status.conditions).toContainEqual(expect.objectContaining({ type: 'foo', message: 'updated' }));

    expect((await raw.ask(path, { method: 'DELETE' })).code).toBe(200);
    expect((await raw.ask(path)).code).toBe(404);
    expect((await raw.ask(selected, { method: 'DELETE' })).code).toBe(200);
    expect((await read(selected)).items).toEqual([]);
    const since = `resourceVersion=${made.metadata.resourceVersion}`;
    const watched = await raw.ask(`${selected}&watch=1&timeoutSeconds=2&${since}`);
    const events = watched.text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string; object: ApiObject });
    const seen = events.filter((event) => event.object.metadata.name === made.metadata.name).map(({ type }) => type);
    expect([seen[0], seen.at(-1)]).toEqual(['MODIFIED', 'DELETED']);
    expect(events.filter(({ type }) => type === 'DELETED')).toHaveLength(3);
    expect(kind).toBe(resources.find(({ name }: { name: string }) => name === plural).kind);
  },
);
