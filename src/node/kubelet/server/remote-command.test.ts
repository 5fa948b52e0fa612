import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { afterEach, expect, test } from 'vitest';
import WebSocket, { WebSocketServer } from 'ws';
import { SpdyConnection, type SpdyStream } from '#client/transport/spdy/connection.ts';
import { bridgeCommand } from './remote-command.ts';

const undo: (() => void)[] = [];
afterEach(() => {
  for (const each of undo.splice(0)) each();
});

/** What a client of `kubectl exec` hears on the channel of errors, of a runtime that writes there and then does `leave`. */
async function heard(said: string, leave: (stream: SpdyStream, socket: Duplex) => void): Promise<string> {
  const runtime = createServer();
  runtime.on('upgrade', (_request, socket) => {
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\n',
    );
    let error: SpdyStream | undefined;
    new SpdyConnection(socket, {
      side: 'server',
      onStream(stream) {
        if (stream.headers.get('streamtype') === 'error') error = stream;
        else stream.end(() => error?.write(said, () => error && leave(error, socket)));
      },
    });
  });
  const sockets = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  undo.push(
    () => runtime.close(),
    () => sockets.close(),
  );
  await Promise.all([once(sockets, 'listening'), once(runtime.listen(0, '127.0.0.1'), 'listening')]);
  const at = (server: { address(): unknown }) => `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const client = new WebSocket(`ws://${at(sockets)}`);
  let text = '';
  client.on('message', (message: Buffer) => {
    if (message[0] === 3) text += message.subarray(1).toString();
  });
  const [served] = (await once(sockets, 'connection')) as [WebSocket];
  await bridgeCommand(
    `http://${at(runtime)}/attach`,
    { stdin: false, stdout: true, stderr: false, tty: false },
    async () => ({ client: served, protocol: 'v4.channel.k8s.io' }),
  );
  return text;
}

const SUCCESS = '{"metadata":{},"status":"Success"}';

test('how a command ended is what the runtime said, whether it ends the stream or only the connection after it', async () => {
  expect(await heard(SUCCESS, (stream) => stream.end())).toBe(SUCCESS);
  expect(await heard(SUCCESS, (_, socket) => socket.end())).toBe(SUCCESS);
});

test('where the runtime breaks off before it has said how a command ended, that is said', async () => {
  for (const part of [SUCCESS.slice(0, 20), ' '])
    expect(JSON.parse(await heard(part, (_, socket) => socket.end()))).toMatchObject({
      status: 'Failure',
      message: 'the container runtime closed the connection before it said how the command ended',
    });
});
