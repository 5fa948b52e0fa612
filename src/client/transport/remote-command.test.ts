import { getEventListeners, once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Unreachable } from '../transport.ts';
import { runRemoteCommand } from './remote-command.ts';

let answer: { code: number; body: string; isBrokenOff?: true } = { code: 500, body: '' };
const server = createServer((_request, response) => {
  const { code, body, isBrokenOff } = answer;
  if (!isBrokenOff) return response.writeHead(code).end(body);
  response.writeHead(code, { 'content-length': 1_000 }).write(body, () => response.destroy());
  return response;
});

beforeEach(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(async () => {
  server.close();
  server.closeAllConnections();
});

const failure = (signal = new AbortController().signal): Promise<unknown> => {
  const { port } = server.address() as AddressInfo;
  return runRemoteCommand({
    endpoint: { server: `http://127.0.0.1:${port}`, insecure: false, credentials: {} },
    path: '/api/v1/namespaces/default/pods/p/exec?command=ls',
    stdout: () => undefined,
    stderr: () => undefined,
    signal,
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

test('a server that breaks off what it says instead is quoted as far as it came', async () => {
  answer = { code: 500, body: 'no such', isBrokenOff: true };
  expect(await failure()).toMatchObject({ message: 'unable to upgrade connection: no such' });
});

test('a server that refuses leaves nothing behind with who may give up', async () => {
  answer = { code: 500, body: '' };
  const { signal } = new AbortController();
  await failure(signal);
  await expect.poll(() => getEventListeners(signal, 'abort'), { timeout: 15_000 }).toEqual([]);
});
