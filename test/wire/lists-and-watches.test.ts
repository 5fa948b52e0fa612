/**
 * Lists in pages and of versions, and watches, as they look on the wire. Source: API concepts, "Retrieving large results sets in
 * chunks", "Resource versions", "Efficient detection of changes", "Streaming lists".
 */
import { request } from 'node:https';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { openMemoryStorage } from '#control-plane/storage/memory.ts';
import type { Storage } from '#control-plane/storage/storage.ts';
import { type HttpsApiServer, startHttpsApiServer } from '../integration/https-api-server.ts';

let storage: Storage;
let server: HttpsApiServer;
let identity: { certificate: string; key: string };
let number = 0;
let namespace: string;

beforeAll(async () => {
  // What ends a server must leave to the next one.
  const memory = openMemoryStorage();
  storage = new Proxy(memory, {
    get(target, name) {
      if (name === 'close') return async () => undefined;
      const value = Reflect.get(target, name, target) as unknown;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  await start();
});

afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
});

beforeEach(async () => {
  number += 1;
  namespace = `ns-${number}`;
  await ask('/api/v1/namespaces', { method: 'POST', body: JSON.stringify({ metadata: { name: namespace } }) });
});

async function start(): Promise<void> {
  server = await startHttpsApiServer({ storage });
  identity = server.pki.issueClient('asker', { user: 'asker', groups: ['system:masters'] });
}

interface Answer {
  code: number;
  text: string;
}

function ask(
  path: string,
  { method = 'GET', body, type = 'application/json' }: { method?: string; body?: string; type?: string } = {},
) {
  const { certificate: cert, key } = identity;
  return new Promise<Answer>((resolve, reject) => {
    // Of a DELETE Node.js does not say by itself that it has a body.
    const headers = body === undefined ? {} : { 'content-type': type, 'content-length': Buffer.byteLength(body) };
    const options = { method, headers, ca: server.pki.caCertificate, agent: false, cert, key };
    const sent = request(`${server.url}${path}`, options, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('error', reject);
      answer.on('end', () => resolve({ code: answer.statusCode ?? 0, text: Buffer.concat(chunks).toString() }));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

interface List {
  metadata: { resourceVersion: string; continue?: string; remainingItemCount?: number };
  items: { metadata: { name: string; resourceVersion: string } }[];
}
interface Event {
  type: string;
  object: { kind: string; code?: number; message?: string; metadata: { name?: string; annotations?: object } };
}

const maps = () => `/api/v1/namespaces/${namespace}/configmaps`;
const list = async (query = '') => JSON.parse((await ask(`${maps()}?${query}`)).text) as List;
const status = async (path: string) => {
  const { code, text } = await ask(path);
  const { message, reason, details, metadata } = JSON.parse(text);
  return { code, message, reason, details, metadata };
};
const names = ({ items }: List) => items.map(({ metadata }) => metadata.name);
const make = async (...all: string[]) => {
  for (const name of all) {
    const labels = { even: String(Number(name.slice(-1)) % 2 === 0) };
    await ask(maps(), { method: 'POST', body: JSON.stringify({ metadata: { name, labels } }) });
  }
};
const remove = (name: string) => ask(`${maps()}/${name}`, { method: 'DELETE' });
/** All that a watch of at most two seconds says. */
const watched = async (query: string): Promise<Event[]> => {
  const { text } = await ask(`${maps()}?watch=1&timeoutSeconds=1&${query}`);
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Event);
};
const shown = (events: readonly Event[]) =>
  events.map(({ type, object }) => `${type} ${object.metadata.name ?? ''}`.trim());

/** On the same store, so that it remembers nothing but what is stored. */
async function restart(): Promise<void> {
  await server[Symbol.asyncDispose]();
  const made = ['default', 'kube-system', 'kube-public', 'kube-node-lease'].map(
    (name) => `/registry/namespaces/${name}`,
  );
  const then = [...made, '/registry/serviceaccounts/default/default'].map((key) => ({ delete: key }));
  await storage.commit({ when: [], then }); // a server of the tests begins with making them
  await start();
}

// Pages

test('pages show one snapshot, say how much is left, and end', async () => {
  await make('m1', 'm2', 'm3', 'm4', 'm5');
  const first = await list('limit=2');
  expect([names(first), first.metadata.remainingItemCount]).toEqual([['m1', 'm2'], 3]);
  await remove('m3');
  await make('m6');
  const second = await list(`limit=2&continue=${first.metadata.continue}`);
  expect([names(second), second.metadata.remainingItemCount]).toEqual([['m3', 'm4'], 1]);
  expect(second.metadata.resourceVersion).toBe(first.metadata.resourceVersion);
  const last = await list(`limit=2&continue=${second.metadata.continue}`);
  expect([names(last), last.metadata.continue, last.metadata.remainingItemCount]).toEqual([
    ['m5'],
    undefined,
    undefined,
  ]);
});

test('what is left of a selection is not counted', async () => {
  await make('m1', 'm2', 'm3', 'm4', 'm6');
  const page = await list('limit=1&labelSelector=even%3Dtrue');
  expect([names(page), page.metadata.remainingItemCount]).toEqual([['m2'], undefined]);
  expect(names(await list(`labelSelector=even%3Dtrue&continue=${page.metadata.continue}`))).toEqual(['m4', 'm6']);
});

test('a page whose snapshot is gone is 410, and its token goes on in what there is now', async () => {
  await make('m1', 'm2', 'm3', 'm4');
  const first = await list('limit=2');
  await remove('m3');
  await storage.compact('/registry/configmaps/', await storage.currentRevision());
  await restart();
  const gone = await status(`${maps()}?limit=2&continue=${first.metadata.continue}`);
  expect(gone).toMatchObject({ code: 410, reason: 'Expired' });
  expect(gone.message).toBe(
    'The provided continue parameter is too old to display a consistent list result. You can start a new list without ' +
      'the continue parameter, or use the continue token in this response to retrieve the remainder of the results. ' +
      'Continuing with the provided token results in an inconsistent list - objects that were created, modified, or ' +
      'deleted between the time the first chunk was returned and now may show up in the list.',
  );
  const rest = await list(`limit=2&continue=${gone.metadata.continue}`);
  expect(names(rest)).toEqual(['m4']);
  expect(Number(rest.metadata.resourceVersion)).toBeGreaterThan(Number(first.metadata.resourceVersion));
});

test.each([
  ['continue=abc', 400, 'continue key is not valid'],
  ['continue=abc&resourceVersion=5', 400, 'specifying resource version is not allowed when using continue'],
  ['resourceVersionMatch=Exact', 422, 'resourceVersionMatch is forbidden unless resourceVersion is provided'],
  [
    'resourceVersion=0&resourceVersionMatch=Exact',
    422,
    'resourceVersionMatch "exact" is forbidden for resourceVersion "0"',
  ],
  ['resourceVersion=1&resourceVersionMatch=Newest', 422, 'supported values: "Exact", "NotOlderThan", ""'],
  ['sendInitialEvents=true', 422, 'sendInitialEvents is forbidden for list'],
  [
    'fieldSelector=data.a%3Db',
    400,
    '"data.a" is not a known field selector: only "metadata.name", "metadata.namespace"',
  ],
  ['labelSelector=a%20in%20b', 400, 'unable to parse requirement'],
  ['watch=1&sendInitialEvents=true', 422, 'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan'],
  [
    'watch=1&resourceVersionMatch=NotOlderThan',
    422,
    'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided',
  ],
])('%s is refused with %i', async (query, code, text) => {
  const refused = await status(`${maps()}?${query}`);
  expect([refused.code, refused.message]).toEqual([code, expect.stringContaining(text)]);
});

// Versions

test('a list of an exact version shows that one, a later one at least that, and one that is not yet is 504', async () => {
  await make('m1');
  const { metadata } = await list();
  await make('m2');
  const at = `resourceVersion=${metadata.resourceVersion}`;
  expect(names(await list(`${at}&resourceVersionMatch=Exact`))).toEqual(['m1']);
  expect(names(await list(`${at}&limit=10`))).toEqual(['m1']);
  expect(names(await list(`${at}&resourceVersionMatch=NotOlderThan&limit=10`))).toEqual(['m1', 'm2']);
  expect(names(await list(at))).toEqual(['m1', 'm2']);
  const future = Number(metadata.resourceVersion) + 1000;
  const early = await status(`${maps()}?resourceVersion=${future}`);
  expect(early).toMatchObject({
    code: 504,
    reason: 'Timeout',
    message: expect.stringMatching(`^Timeout: Too large resource version: ${future}, current: \\d+$`),
    details: {
      causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
      retryAfterSeconds: 1,
    },
  });
});

test('an exact version that is compacted away is 410', async () => {
  await make('m1');
  const { metadata } = await list();
  await make('m2');
  await storage.compact('/registry/configmaps/', await storage.currentRevision());
  await restart();
  expect(
    await status(`${maps()}?resourceVersionMatch=Exact&resourceVersion=${metadata.resourceVersion}`),
  ).toMatchObject({
    code: 410,
    reason: 'Expired',
    message: 'The resourceVersion for the provided list is too old.',
  });
});

// Watches

test('a watch without a version begins with what is there, one from a version with what came after', async () => {
  await make('m1', 'm2');
  const { metadata } = await list();
  expect(shown(await watched(''))).toEqual(['ADDED m1', 'ADDED m2']);
  await make('m3');
  await remove('m1');
  expect(shown(await watched(`resourceVersion=${metadata.resourceVersion}`))).toEqual(['ADDED m3', 'DELETED m1']);
});

test('a streamed list ends its initial events with a bookmark that says so', async () => {
  await make('m1', 'm2');
  const events = await watched('sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true');
  expect(shown(events)).toEqual(['ADDED m1', 'ADDED m2', 'BOOKMARK']);
  expect(events[2]?.object).toMatchObject({
    kind: 'ConfigMap',
    apiVersion: 'v1',
    metadata: { resourceVersion: expect.any(String), annotations: { 'k8s.io/initial-events-end': 'true' } },
  });
  const quiet = await watched('sendInitialEvents=true&resourceVersionMatch=NotOlderThan');
  expect(shown(quiet)).toEqual(['ADDED m1', 'ADDED m2']);
});

test('a watch that asks for no initial events has none', async () => {
  await make('m1');
  expect(await watched('sendInitialEvents=false&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=false')).toEqual(
    [],
  );
});

test('a watch from a version that is compacted away is told 410 in an event', async () => {
  await make('m1');
  const { metadata } = await list();
  await make('m2');
  await storage.compact('/registry/configmaps/', await storage.currentRevision());
  await restart();
  const events = await watched(`resourceVersion=${metadata.resourceVersion}`);
  expect(events).toEqual([
    {
      type: 'ERROR',
      object: {
        kind: 'Status',
        apiVersion: 'v1',
        metadata: {},
        status: 'Failure',
        message: expect.stringMatching(`^too old resource version: ${metadata.resourceVersion} \\(\\d+\\)$`),
        reason: 'Expired',
        code: 410,
      },
    },
  ]);
});

test('objects that enter and leave a selection are added and deleted', async () => {
  await make('m1', 'm2');
  const { metadata } = await list();
  const label = (name: string, even: string) =>
    ask(`${maps()}/${name}`, {
      method: 'PATCH',
      body: JSON.stringify({ metadata: { labels: { even } } }),
      type: 'application/merge-patch+json',
    });
  await label('m1', 'true');
  await label('m2', 'false');
  const query = `labelSelector=even%3Dtrue&resourceVersion=${metadata.resourceVersion}`;
  expect(shown(await watched(query))).toEqual(['ADDED m1', 'DELETED m2']);
  expect(shown(await watched(`fieldSelector=metadata.name%3Dm2&resourceVersion=${metadata.resourceVersion}`))).toEqual([
    'MODIFIED m2',
  ]);
});

// Collections

test('deleting a collection deletes what its selectors match, and answers with that', async () => {
  await make('m1', 'm2', 'm3', 'm4');
  const answer = await ask(`${maps()}?labelSelector=even%3Dtrue&fieldSelector=metadata.name!%3Dm4`, {
    method: 'DELETE',
  });
  const deleted = JSON.parse(answer.text) as List & { kind: string };
  expect([answer.code, deleted.kind, names(deleted)]).toEqual([200, 'ConfigMapList', ['m2']]);
  expect(names(await list())).toEqual(['m1', 'm3', 'm4']);
});

test('a dry run of it deletes nothing', async () => {
  await make('m1');
  expect((await ask(`${maps()}?dryRun=All`, { method: 'DELETE' })).code).toBe(200);
  expect(names(await list())).toEqual(['m1']);
});

test('the options of a deletion hold for each object of a collection: its policy, by query or body, and preconditions', async () => {
  const finalizers = async () => {
    const { items } = JSON.parse((await ask(maps())).text) as {
      items: { metadata: { name: string; finalizers?: string[]; deletionTimestamp?: string } }[];
    };
    return items.map(({ metadata }) => [metadata.name, metadata.deletionTimestamp !== undefined, metadata.finalizers]);
  };
  const removeAll = (options: object, query = '') =>
    ask(`${maps()}?${query}`, { method: 'DELETE', body: JSON.stringify({ kind: 'DeleteOptions', ...options }) });
  await make('m1', 'm2');
  const refused = await removeAll({ preconditions: { uid: 'other' } });
  expect([refused.code, JSON.parse(refused.text).message]).toEqual([
    409,
    expect.stringContaining('the UID in the precondition (other) does not match the UID in record'),
  ]);
  expect(names(await list())).toEqual(['m1', 'm2']);
  expect((await removeAll({ propagationPolicy: 'Bad' })).code).toBe(422);
  expect((await removeAll({ propagationPolicy: 'Foreground' }, 'labelSelector=even%3Dtrue')).code).toBe(200);
  const orphan = 'propagationPolicy=Orphan&labelSelector=even%3Dfalse';
  expect((await ask(`${maps()}?${orphan}`, { method: 'DELETE' })).code).toBe(200);
  expect(await finalizers()).toEqual([
    ['m1', true, ['orphan']],
    ['m2', true, ['foregroundDeletion']],
  ]);
});
