import { afterEach, expect, test } from 'vitest';
import { silentLog } from '#base/log.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { ApplyLoop } from './apply-loop.ts';

const endings: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0)) await end();
});
const turn = () => new Promise((resolve) => setImmediate(resolve));

async function running() {
  const clock = new ManualClock();
  const ending = new AbortController();
  const seen = { looks: 0, applied: 0, isInForce: true };
  const loop = new ApplyLoop({
    clock,
    log: silentLog,
    signal: ending.signal,
    apply: async () => {
      seen.applied++;
      seen.isInForce = true;
    },
    forget: () => undefined,
    isInForce: async () => {
      seen.looks++;
      return seen.isInForce;
    },
  });
  const ended = loop.run();
  endings.push(() => {
    ending.abort();
    return ended;
  });
  await loop.ready;
  await turn();
  return { clock, loop, seen };
}

test('who is told that rules may have gone looks at once, and builds them anew only when they have', async () => {
  const { loop, seen } = await running();
  loop.look();
  await turn();
  expect(seen).toMatchObject({ looks: 1, applied: 1 });
});

test('however often it is told, there is time between two looks, and the last one is not forgotten', async () => {
  const { clock, loop, seen } = await running();
  for (let i = 0; i < 1_000; i++) {
    loop.look();
    if (i % 100 === 0) await turn();
  }
  await turn();
  expect(seen.looks).toBe(1);
  seen.isInForce = false;
  clock.advance(250);
  await turn();
  expect(seen).toMatchObject({ looks: 2, applied: 2 });
});

test('between two looks changes go into force', async () => {
  const { loop, seen } = await running();
  loop.look();
  await turn();
  loop.look();
  loop.mark('a');
  await turn();
  expect(seen).toMatchObject({ looks: 1, applied: 2 });
});

test('nobody need tell it: it looks by itself after a while', async () => {
  const { clock, seen } = await running();
  seen.isInForce = false;
  clock.advance(10_000);
  await turn();
  expect(seen).toMatchObject({ looks: 1, applied: 2 });
});
