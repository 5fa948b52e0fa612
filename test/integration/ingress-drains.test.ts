/** A server that takes no new connections: what is under way is answered, and kept connections do not hold it up. */
import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import type { ServerResponse } from 'node:http';
import { expect, test } from 'vitest';
import { ingressLab } from './ingress-lab.ts';

const { backend, behind, clock, closing, drain, ports, route } = ingressLab();
const WITHIN_MS = 1e9; // of the manual clock: what ends, ends of itself

/** Nothing is answered before the test does it. */
async function holding(): Promise<ServerResponse[]> {
  const held: ServerResponse[] = [];
  route();
  behind(await backend((_, response) => void held.push(response)));
  return held;
}

/** One connection of HTTP/1.1 that is kept. */
function kept() {
  const socket = connect(ports.http, '127.0.0.1');
  closing({ close: () => socket.destroy() });
  const told = { text: '', isClosed: false };
  socket.setEncoding('latin1').on('data', (part: string) => {
    told.text += part;
  });
  socket.on('close', () => {
    told.isClosed = true;
  });
  return { told, ask: () => void socket.write('GET / HTTP/1.1\r\nhost: www.example.com\r\n\r\n') };
}

/** A kept connection whose request is answered when the server drains already. */
async function drainingWhileBusy() {
  const held = await holding();
  const { told, ask } = kept();
  ask();
  await expect.poll(() => held.length).toBe(1);
  const drained = drain(WITHIN_MS);
  held[0]?.end('first');
  await expect.poll(() => told.text).toMatch(/first/);
  return { held, told, ask, drained };
}

test('a connection that is busy is asked to go with its next answer', async () => {
  const { held, told, ask, drained } = await drainingWhileBusy();
  ask();
  await expect.poll(() => held.length).toBe(2);
  held[1]?.end('second');
  await drained;
  await expect.poll(() => told).toMatchObject({ isClosed: true });
  expect(told.text).toMatch(/second/);
  expect(told.text.match(/connection: close/gi)).toHaveLength(1);
});

test('one that asks nothing more is closed', async () => {
  const { told, drained } = await drainingWhileBusy();
  await expect.poll(() => (clock.advance(1_000), told.isClosed)).toBe(true);
  await drained;
});

test('one of HTTP/2 is told to go, and its streams are answered', async () => {
  const held = await holding();
  const session = connectHttp2(`https://127.0.0.1:${ports.https}`, { rejectUnauthorized: false });
  closing({ close: () => session.destroy() });
  const stream = session.request({ ':path': '/', ':authority': 'www.example.com' });
  let text = '';
  stream.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  await expect.poll(() => held.length).toBe(1);
  const drained = drain(WITHIN_MS);
  held[0]?.end('first');
  await drained;
  await expect.poll(() => [text, session.closed]).toEqual(['first', true]);
});
