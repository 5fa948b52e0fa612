import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Unreachable } from '../transport.ts';
import { runRemoteCommand } from './remote-command.ts';

let answer = { code: 500, body: '' };
const server = createServer((_request, response) => response.writeHead(answer.code).end(answer.body));

beforeEach(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(async () => {
  server.close();
  server.closeAllConnections();
});

const failure = (): Promise<unknown> => {
  const { port } = server.address() as AddressInfo;
  return runRemoteCommand({
    endpoint: { server: `http://127.0.0.1:${port}`, insecure: false, credentials: {} },
    path: '/api/v1/namespaces/default/pods/p/exec?command=ls',
    stdout: () => undefined,
    stderr: () => undefined,
    signal: new AbortController().signal,
  }).catch((error: unknown) => error);
};

test.each([
  ['container not found ("c")\n', 'unable to upgrade connection: container not found ("c")'],
  ['', 'unable to upgrade connection: the server answered 500'],
])('a server that does not switch protocols was reached, and is quoted: %j', async (body, message) => {
  answer = { code: 500, body };
  const error = await failure();
  expect(error).not.toBeInstanceOf(Unreachable);
  expect(error).toMatchObject({ message });
});
