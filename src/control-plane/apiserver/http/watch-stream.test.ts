import { expect, test } from 'vitest';
import { ConfigMap } from '#api/core/v1/config-map.ts';
import { silentLog } from '#base/log.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { Bookmark } from '../watch-cache/cache-event.ts';
import type { Exchange } from './exchange.ts';
import { sendWatch } from './watch-stream.ts';

test('a client that does not read is cut when it has left a slice lying for a minute', async () => {
  const clock = new ManualClock();
  const gone = new AbortController();
  let left: (() => void) | undefined;
  let writes = 0;
  const exchange = {
    begin: () => undefined,
    flush: () => undefined,
    end: () => undefined,
    signal: gone.signal,
    write: () => {
      writes++;
      return writes === 1
        ? undefined
        : new Promise<void>((resolve) => {
            left = resolve;
          });
    },
    abort: () => {
      gone.abort();
      left?.();
    },
  } as unknown as Exchange;
  async function* batches() {
    for (let revision = 1; revision < 10; revision++) yield [new Bookmark(revision)];
  }
  const wanted = { encoding: 'json', shape: 'Object', version: 'v1', pretty: false } as const;
  const sent = sendWatch(
    exchange,
    { kind: ConfigMap, batches: batches() },
    { wanted, query: new URLSearchParams(), now: () => 0, clock, log: silentLog },
  );
  while (writes < 2) await Promise.resolve();
  clock.advance(59_999);
  expect(gone.signal.aborted).toBe(false);
  clock.advance(1);
  expect(gone.signal.aborted).toBe(true);
  await sent;
  expect(writes).toBe(2);
});
