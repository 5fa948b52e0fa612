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
  const seen = {
    looks: 0,
    wholeLooks: 0,
    applied: 0,
    isInForce: true,
    isWhole: true,
    isComparable: true,
    comparing: async (_overtaken: AbortSignal) => undefined as unknown,
  };
  const loop = new ApplyLoop({
    clock,
    log: silentLog,
    signal: ending.signal,
    apply: async () => {
      seen.applied++;
      seen.isInForce = true;
      if (seen.isComparable) seen.isWhole = true;
    },
    forget: () => undefined,
    isInForce: async () => {
      seen.looks++;
      return seen.isInForce;
    },
    isWhole: async (overtaken) => {
      seen.wholeLooks++;
      await seen.comparing(overtaken);
      return seen.isWhole;
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

test('changes that come all the time put no look off', async () => {
  const { clock, loop, seen } = await running();
  for (let i = 0; i < 6; i++) {
    clock.advance(2_000);
    loop.mark('a');
    await turn();
  }
  expect(seen).toMatchObject({ looks: 1, applied: 7 });
});

test('after ten minutes all of the rules are looked at, and built anew where a part of them is another', async () => {
  const { clock, seen } = await running();
  const pass = async (ms: number) => {
    for (let passed = 0; passed < ms; passed += 10_000) {
      clock.advance(10_000);
      await turn();
    }
  };
  await pass(590_000);
  expect(seen).toMatchObject({ wholeLooks: 0, applied: 1 });
  await pass(10_000);
  expect(seen).toMatchObject({ wholeLooks: 1, applied: 1 });
  seen.isWhole = false;
  await pass(600_000);
  expect(seen).toMatchObject({ wholeLooks: 2, applied: 2 });
  await pass(10_000); // whether that helped
  expect(seen).toMatchObject({ wholeLooks: 3, applied: 2 });
});

test('where not even what was just built looks like it, nobody goes on building', async () => {
  const { clock, seen } = await running();
  seen.isComparable = false;
  seen.isWhole = false;
  for (let passed = 0; passed < 3_000; passed += 10) {
    clock.advance(10_000);
    await turn();
  }
  expect(seen).toMatchObject({ wholeLooks: 2, applied: 2 });
});

test('a change does not wait for a look at everything, which is tried again', async () => {
  const { clock, loop, seen } = await running();
  const waiting: ((answer?: unknown) => void)[] = [];
  seen.comparing = () => new Promise((resolve) => waiting.push(resolve));
  clock.advance(600_000);
  await turn();
  expect([waiting.length, seen.applied]).toEqual([1, 1]);
  loop.mark('a');
  await turn();
  expect(seen.applied).toBe(2);
  seen.isWhole = false; // as the look may have seen it in the middle of the change
  waiting.shift()?.();
  await turn();
  expect(seen.applied).toBe(2);
  clock.advance(60_000);
  await turn();
  waiting.shift()?.();
  await turn();
  expect(seen).toMatchObject({ wholeLooks: 2, applied: 3 });
});

test('a look at everything is told that nobody waits for it any more', async () => {
  const { clock, loop, seen } = await running();
  const overtaken: AbortSignal[] = [];
  seen.comparing = (signal) => {
    overtaken.push(signal);
    return new Promise(() => undefined);
  };
  clock.advance(600_000);
  await turn();
  expect(overtaken.map(({ aborted }) => aborted)).toEqual([false]);
  loop.mark('a');
  await turn();
  expect(overtaken.map(({ aborted }) => aborted)).toEqual([true]);
});
