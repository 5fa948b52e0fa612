import { expect, test } from 'vitest';
import { ManualClock } from '#base/manual-clock.ts';
import { CallCopies } from './call-copies.ts';
import type { RouteOptions } from './route-options.ts';
import type { Upstreams } from './upstreams.ts';

test('no more than 256 copies are under way to one endpoint, however often it is told anew', () => {
  let reached = 0;
  const upstreams = {
    next: () => [{ address: '10.244.1.2', port: 80 }],
    http2: { reach: () => reached++ },
  } as unknown as Upstreams;
  const options = { readTimeoutMs: 60_000 } as RouteOptions;
  const begin = () =>
    new CallCopies([{ backend: 'shop/copy:80', share: 1 }], () => ({}), {
      options,
      upstreams,
      clock: new ManualClock(),
      random: () => 0,
    });
  const calls = Array.from({ length: 257 }, begin);
  expect(reached).toBe(256);
  calls[0]?.callEnded();
  calls.push(begin(), begin());
  expect(reached).toBe(257);
  for (const call of calls) call.callEnded();
  calls.push(begin());
  expect(reached).toBe(258);
  calls.at(-1)?.callEnded();
});
