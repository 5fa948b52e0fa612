import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { afterEach, expect, test } from 'vitest';
import { parseArguments } from './flags.ts';
import { fileFlags, flattened, manifestsOf } from './manifests.ts';
import type { VerbIo } from './verb.ts';

let server: Server | undefined;
afterEach(async () => {
  const ended = server;
  server = undefined;
  ended?.closeAllConnections();
  await new Promise((resolve) => (ended ? ended.close(resolve) : resolve(undefined)));
});

/** What is read of a server that answers so. */
async function readOf(answer: RequestListener) {
  server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const { flags } = parseArguments(fileFlags('to read'), ['-f', `http://127.0.0.1:${port}/a.yaml`]);
  return manifestsOf(flags, { folder: '/' } as VerbIo);
}

test('objects are read from a URL', async () => {
  const { manifests, errors } = await readOf((_, reply) =>
    reply.end('{apiVersion: v1, kind: ConfigMap, metadata: {name: ü}}'),
  );
  expect(errors).toEqual([]);
  expect(manifests.map(({ object }) => object.metadata.name)).toEqual(['ü']);
});

test('a URL whose answer does not end is given up', async () => {
  const forever = function* () {
    const some = Buffer.alloc(1 << 20, '#');
    for (;;) yield some;
  };
  const read = readOf((_, reply) => Readable.from(forever()).pipe(reply));
  await expect(read).rejects.toThrow(/^unable to read URL "http:.*": too large$/);
});

test('a URL at which nobody listens is told as kubectl tells it', async () => {
  const listening = createServer().listen(0, '127.0.0.1');
  await once(listening, 'listening');
  const host = `127.0.0.1:${(listening.address() as AddressInfo).port}`;
  await new Promise((resolve) => listening.close(resolve));
  const { flags } = parseArguments(fileFlags('to read'), ['-f', `http://${host}/a.yaml`]);
  await expect(manifestsOf(flags, { folder: '/' } as VerbIo)).rejects.toThrow(
    `The connection to the server ${host} was refused - did you specify the right host or port?`,
  );
});

test.each([
  ['bool', 'name', true],
  ['number', 'namespace', 7],
  ['object', 'generateName', {}],
  ['array', 'name', []],
])('a %s is no %s', (type, field, value) => {
  const object = { apiVersion: 'v1', kind: 'Pod', metadata: { [field]: value } };
  expect(() => flattened(object, 'a.yaml')).toThrow(
    `unable to decode "a.yaml": json: cannot unmarshal ${type} into Go struct field ObjectMeta.metadata.${field} of type string`,
  );
});

const OBJECT = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a' } };

/** As kubectl 1.36 reads them: what holds items is a list, whatever its kind is called. */
test.each([
  [{ apiVersion: 'v1', kind: 'List', items: [OBJECT] }, [OBJECT]],
  [
    { apiVersion: 'v1', kind: 'PodList', metadata: { resourceVersion: '5' }, items: [{ metadata: { name: 'a' } }] },
    [OBJECT],
  ],
  [{ apiVersion: 'e.io/v1', kind: 'Basket', items: [OBJECT] }, [OBJECT]],
  [{ apiVersion: 'v1', kind: 'List', items: null }, []],
  [{ ...OBJECT, kind: 'AllowList' }, [{ ...OBJECT, kind: 'AllowList' }]],
])('%j are objects', (value, objects) => expect(flattened(value, 'a.yaml')).toEqual(objects));

test.each([
  [
    { kind: 'List', items: {} },
    'json: cannot unmarshal object into Go struct field decodeList.items of type []json.RawMessage',
  ],
  [{ kind: 'List', items: [{ metadata: {} }] }, `Object 'Kind' is missing in '{"metadata":{}}'`],
  [{ kind: 'PodList', items: [{ kind: 'Pod' }] }, `Object 'apiVersion' is missing in '{"kind":"Pod"}'`],
  [
    { kind: 'List', metadata: 5, items: [] },
    'json: cannot unmarshal number into Go struct field metadataOnlyObject.metadata of type v1.ObjectMeta',
  ],
])('%j is none', (value, why) => {
  expect(() => flattened({ apiVersion: 'v1', ...value }, 'a.yaml')).toThrow(`unable to decode "a.yaml": ${why}`);
});
