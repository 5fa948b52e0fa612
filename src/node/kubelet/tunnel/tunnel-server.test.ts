import { once } from 'node:events';
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { ManualClock } from '#base/manual-clock.ts';
import { mayDial, serveTunnel } from './tunnel-server.ts';

const targets = { podRanges: ['10.1.0.0/24', 'fd00:1::/64'], addresses: ['192.0.2.5'], kubeletPort: 10250 };

test.each<[string, string, number, boolean]>([
  ['a pod', '10.1.0.7', 80, true],
  ['a pod by IPv6', 'fd00:1::7', 443, true],
  ['its own kubelet', '192.0.2.5', 10250, true],
  ['another port of its own', '192.0.2.5', 22, false],
  ['a pod of another node', '10.2.0.7', 80, false],
  ['its loopback', '127.0.0.1', 10250, false],
  ['a name', 'localhost', 80, false],
  ['no port', '10.1.0.7', 0, false],
])('a node dials %s for the API server: %s:%i %s', (_, host, port, may) =>
  expect(mayDial({ host, port }, targets)).toBe(may),
);

test('an API server that is gone without a word is noticed: it is heard no more', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const near = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [far] = await accepted;
  const clock = new ManualClock();
  try {
    const gone = serveTunnel(near, { targets, clock }).then(() => 'gone');
    const session = connectHttp2('http://node', { createConnection: () => far });
    session.on('error', () => undefined); // the end is the other's
    for (let i = 0; i < 3; i++) {
      await answered(session);
      clock.advance(59_000);
    }
    await answered(session);
    clock.advance(60_000);
    expect(await gone).toBe('gone');
  } finally {
    near.destroy();
    far.destroy();
    server.close();
  }
});

const answered = (session: ClientHttp2Session): Promise<void> =>
  new Promise((resolve, reject) => session.ping((error) => (error ? reject(error) : resolve())));
