import { expect, test, vi } from 'vitest';
import type { Kind } from '#api/machinery/kind.ts';
import { noSuchPath } from '#api/machinery/status.ts';
import { silentLog } from '#base/log.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { seededRandom } from '#base/random.ts';
import type { Client } from '#client/client.ts';
import { ensureGatewayApi } from './local-gateway.ts';

test('a kind that is never served is asked for less and less often, and that is told', async () => {
  const asked: string[] = [];
  let isServed = false;
  const client = {
    get: async () => undefined,
    create: async ({ kind }: Kind) => {
      asked.push(kind);
      if (kind === 'GatewayClass' && !isServed) throw noSuchPath();
    },
  } as unknown as Client;
  const warn = vi.fn();
  const clock = new ManualClock();
  const done = ensureGatewayApi(client, {
    clock,
    random: seededRandom(1),
    log: { ...silentLog, warn },
    signal: new AbortController().signal,
  });
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  for (let second = 0; second < 600; second++) {
    await turn();
    clock.advance(1_000);
  }
  await turn();
  expect(asked.length).toBeGreaterThan(10);
  expect(asked.length).toBeLessThan(50);
  expect(warn).toHaveBeenCalledWith('Gateways are not served: their class waits for its kind', expect.anything());
  isServed = true;
  clock.advance(30_000);
  await done;
});
