import { expect, test } from 'vitest';
import { ManualClock } from '#base/manual-clock.ts';
import { silentLog } from '#base/log.ts';
import type { ApiServiceTable } from './api-service-table.ts';
import type { Connections } from './connections.ts';
import type { RemoteApi } from './remote-api.ts';
import { RemoteOpenApi } from './remote-openapi.ts';

type Answer = { code: number; body?: unknown; etag?: string } | { problem: string };

const AWAY: Answer = { problem: 'connect: connection refused' };
const MINUTE_MS = 60_000;

const remoteApi = (group: string, version = 'v1', groupPriority = 10): RemoteApi =>
  ({ name: `${version}.${group}`, group, version, isAvailable: true, groupPriority }) as RemoteApi;

const specOf = (root: string, type: string) => ({
  swagger: '2.0',
  paths: { [`${root}/things`]: { get: { responses: { 200: { schema: { $ref: '#/definitions/Thing' } } } } } },
  definitions: { Thing: { type } },
});

/** Other API servers that answer what they are told to. */
function servers(...remotes: RemoteApi[]) {
  const clock = new ManualClock();
  const table = new Map(remotes.map((remote) => [remote.name, remote]));
  const listeners: ((name: string) => void)[] = [];
  const answers = new Map<string, Answer>();
  const asked: { path: string; headers: Record<string, string> }[] = [];
  const connections = {
    async fetch({ name }: RemoteApi, { path, headers }: { path: string; headers: Record<string, string> }) {
      asked.push({ path, headers });
      const answer = answers.get(`${name} ${path}`) ?? { code: 404 };
      if ('problem' in answer) return answer;
      const { code, body, etag } = answer;
      const bytes = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body ?? {}));
      return { code, headers: etag ? { etag } : {}, body: bytes };
    },
  } as unknown as Connections;
  const openApi = new RemoteOpenApi({
    table: {
      all: () => [...table.values()],
      named: (name: string) => table.get(name),
      onChange: (listener: (name: string) => void) => listeners.push(listener),
    } as unknown as ApiServiceTable,
    connections,
    clock,
    log: silentLog,
  });
  const changed = (name: string) => {
    for (const listener of listeners) listener(name);
  };
  return {
    openApi,
    asked,
    answers: (name: string, [v2, v3]: [Answer, Answer]) =>
      answers.set(`${name} /openapi/v2`, v2).set(`${name} /openapi/v3`, v3),
    /** Asks again, and waits until what came of it is known. */
    async later() {
      clock.advance(MINUTE_MS);
      await openApi.refresh();
      await new Promise((resolve) => setImmediate(resolve));
    },
    set(remote: RemoteApi) {
      table.set(remote.name, remote);
      changed(remote.name);
    },
    remove(name: string) {
      table.delete(name);
      changed(name);
    },
  };
}

const ADDRESS = '/openapi/v3/apis/w.io/v1?hash=1';
const INDEX: Answer = { code: 200, body: { paths: { 'apis/w.io/v1': { serverRelativeURL: ADDRESS } } } };
const SPEC: Answer = { code: 200, body: specOf('/apis/w.io/v1', 'object'), etag: '"1"' };

test.each<[string, [Answer, Answer]]>([
  ['is away', [AWAY, AWAY]],
  ['answers with an error', [{ code: 500 }, { code: 503 }]],
  [
    'says nonsense',
    [
      { code: 200, body: '<html>' },
      { code: 200, body: '<html>' },
    ],
  ],
  ['has nothing new', [{ code: 304 }, INDEX]],
])('what a server said of itself stays while it %s', async (_, [v2, v3]) => {
  const { openApi, answers, later } = servers(remoteApi('w.io'));
  answers('v1.w.io', [SPEC, INDEX]);
  await openApi.refresh();
  const { generation } = openApi;
  answers('v1.w.io', [v2, v3]);
  await later();
  expect(openApi.generation).toBe(generation);
  expect(openApi.specs().map(({ spec }) => spec.definitions)).toEqual([{ Thing: { type: 'object' } }]);
  expect(openApi.addresses()).toEqual(new Map([['apis/w.io/v1', ADDRESS]]));
});

test('a server that has version 3 no longer is shown by its version 2', async () => {
  const { openApi, answers, later } = servers(remoteApi('w.io'));
  answers('v1.w.io', [SPEC, INDEX]);
  await openApi.refresh();
  answers('v1.w.io', [{ code: 304 }, { code: 404 }]);
  await later();
  expect(openApi.addresses().size).toBe(0);
  expect(openApi.specs()).toHaveLength(1);
});

test('what is known outlives that its server is not available, and is asked for anew when that is over', async () => {
  const { openApi, answers, set, asked, remove } = servers(remoteApi('w.io'));
  answers('v1.w.io', [SPEC, { code: 404 }]);
  await openApi.refresh();
  set({ ...remoteApi('w.io'), isAvailable: false });
  asked.length = 0;
  await openApi.refresh();
  expect([asked, openApi.specs().length]).toEqual([[], 1]);
  answers('v1.w.io', [{ code: 200, body: specOf('/apis/w.io/v1', 'string') }, { code: 404 }]);
  set(remoteApi('w.io'));
  await openApi.refresh();
  expect(openApi.specs()[0]?.spec.definitions).toEqual({ Thing: { type: 'string' } });
  expect(asked[0]?.headers).toEqual({}); // a tag of what may be another server is not shown
  remove('v1.w.io');
  expect(openApi.specs()).toEqual([]);
});

test('a server that was changed while it was asked is not shown the tag of the one before', async () => {
  const { openApi, answers, set, asked } = servers(remoteApi('w.io'));
  answers('v1.w.io', [SPEC, { code: 404 }]);
  const asking = openApi.refresh();
  set(remoteApi('w.io'));
  await asking;
  asked.length = 0;
  await openApi.refresh();
  expect(asked.map(({ path, headers }) => [path, headers])).toEqual([
    ['/openapi/v2', {}],
    ['/openapi/v3', {}],
  ]);
});

test('documents are merged by the priority of their groups, and in a group by name', async () => {
  const remotes = [remoteApi('b.io', 'v2', 1), remoteApi('b.io', 'v1', 30), remoteApi('a.io'), remoteApi('c.io')];
  const { openApi, answers } = servers(...remotes);
  for (const { name, group, version } of remotes)
    answers(name, [{ code: 200, body: specOf(`/apis/${group}/${version}`, 'object') }, { code: 404 }]);
  await openApi.refresh();
  expect(openApi.specs().map(({ group, version }) => `${version}.${group}`)).toEqual([
    'v1.b.io',
    'v2.b.io',
    'v1.a.io',
    'v1.c.io',
  ]);
});
