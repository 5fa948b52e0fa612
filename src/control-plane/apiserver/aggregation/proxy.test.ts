import { expect, test } from 'vitest';
import { deferred } from '#base/deferred.ts';
import { ManualClock } from '#base/manual-clock.ts';
import type { Exchange } from '../http/exchange.ts';
import type { Connections, Problem, Sent } from './connections.ts';
import { proxyTo } from './proxy.ts';
import type { RemoteApi } from './remote-api.ts';

const remote = { name: 'v1.w.io', group: 'w.io', version: 'v1', isAvailable: true } as RemoteApi;

/** A server that says nothing until the request is given up. */
function silentServer() {
  const { promise: wasAsked, resolve: asked } = deferred<void>();
  const connections = {
    addressOf: () => Promise.resolve({ host: '192.0.2.1', port: 443 }),
    open: (_: RemoteApi, __: unknown, { signal }: Sent) =>
      new Promise<Problem>((resolve) => {
        signal?.addEventListener('abort', () => resolve({ problem: 'given up' }));
        asked();
      }),
  } as unknown as Connections;
  return { connections, wasAsked };
}

function asked(url: string) {
  const answers: [number, string][] = [];
  const exchange = {
    ...{ url, method: 'GET', auditId: '1', header: () => '', request: { headers: {} } },
    async send(code: number, { body }: { body: Buffer }) {
      answers.push([code, body.toString()]);
    },
  } as unknown as Exchange;
  return { exchange, answers };
}

const user = { name: 'jane', groups: [] };

test.each(['/apis/w.io/v1', '/apis/w.io/v1/?timeout=32s'])('discovery at %s is given up after a while', async (url) => {
  const { exchange, answers } = asked(url);
  const clock = new ManualClock();
  const { signal } = new AbortController();
  const { connections, wasAsked } = silentServer();
  const over = proxyTo(remote, { exchange, user, signal }, { connections, clock });
  await wasAsked;
  clock.advance(4999);
  expect(answers).toEqual([]);
  clock.advance(1);
  await over;
  expect(answers).toEqual([[503, 'error trying to reach service: context deadline exceeded\n']]);
});

test('another request has as long as its client waits', async () => {
  const { exchange, answers } = asked('/apis/w.io/v1/things');
  const clock = new ManualClock();
  const client = new AbortController();
  const { connections, wasAsked } = silentServer();
  const over = proxyTo(remote, { exchange, user, signal: client.signal }, { connections, clock });
  await wasAsked;
  clock.advance(600_000);
  client.abort();
  await over;
  expect(answers).toEqual([]);
});
