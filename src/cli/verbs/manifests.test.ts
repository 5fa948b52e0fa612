import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { afterEach, expect, test } from 'vitest';
import { parseArguments } from './flags.ts';
import { fileFlags, manifestsOf } from './manifests.ts';
import type { VerbIo } from './verb.ts';

let server: Server;
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
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
