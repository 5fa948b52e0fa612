import { afterEach, expect, test } from 'vitest';
import { silentLog } from '#base/log.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { ApplyLoop } from './apply-loop.ts';
import type { Difference } from './table-contents.ts';

const endings: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0)) await end();
});
const ONE: Difference = { part: 'set one', isEmpty: false };
const turn = () => new Promise((resolve) => setImmediate(resolve));

async function running() {
  const clock = new ManualClock();
  const ending = new AbortController();
  const seen = {
    looks: 0,
    wholeLooks: 0,
    applied: 0,
    isInForce: true,
    missing: [] as Difference[],
    /** What this machine's programs list otherwise than it was written. */
    unlike: [] as Difference[],
    warnings: 0,
    comparing: async (_overtaken: AbortSignal) => undefined as unknown,
  };
  const loop = new ApplyLoop({
    clock,
    log: { ...silentLog, warn: () => void seen.warnings++ },
    signal: ending.signal,
    apply: async () => {
      seen.applied++;
      seen.isInForce = true;
      seen.missing = [];
    },
    forget: () => undefined,
    isInForce: async () => {
      seen.looks++;
      return seen.isInForce;
    },
    differences: async (overtaken) => {
      seen.wholeLooks++;
      await seen.comparing(overtaken);
      const missing = seen.missing;
      const others = seen.unlike.filter(({ part }) => missing.every((each) => each.part !== part));
      return [...missing, ...others];
    },
  });
  const ended = loop.run();
  endings.push(() => {
    ending.abort();
    return ended;
  });
  await loop.ready;
  await turn();
  const pass = async (ms: number) => {
    for (let passed = 0; passed < ms; passed += 10_000) {
      clock.advance(10_000);
      await turn();
    }
  };
  return { clock, loop, seen, pass };
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
  const { clock, seen, pass } = await running();
  await pass(590_000);
  expect(seen).toMatchObject({ wholeLooks: 0, applied: 1 });
  await pass(10_000);
  expect(seen).toMatchObject({ wholeLooks: 1, applied: 1 });
  seen.missing = [ONE];
  const times: number[] = [];
  seen.comparing = async () => times.push(clock.monotonicMs());
  await pass(600_000);
  expect(seen).toMatchObject({ wholeLooks: 3, applied: 2 });
  expect(new Set(times).size).toBe(1); // and whether that helped, at once
});

test('where not even what was just built looks like it, that is said once, and what goes later is built anew', async () => {
  const { seen, pass } = await running();
  seen.unlike = [ONE];
  await pass(3_000_000);
  expect(seen).toMatchObject({ wholeLooks: 6, applied: 2, warnings: 2 }); // at ten minutes it was built anew, and looked at
  seen.missing = [{ ...ONE, isEmpty: true }]; // flushed by hand
  await pass(610_000);
  expect(seen).toMatchObject({ applied: 3, warnings: 3 });
  seen.missing = [{ part: 'chain another', isEmpty: false }];
  await pass(610_000);
  expect(seen).toMatchObject({ applied: 4, warnings: 4 });
  await pass(1_200_000);
  expect(seen).toMatchObject({ applied: 4, warnings: 4 });
});

test('what somebody changes after the look at what was built anew had to give way is no way to list it', async () => {
  const { loop, seen, pass } = await running();
  seen.missing = [ONE];
  let answer: ((value?: unknown) => void) | undefined;
  seen.comparing = () => (seen.applied === 2 ? new Promise((resolve) => (answer = resolve)) : Promise.resolve());
  await pass(600_000);
  expect(seen).toMatchObject({ wholeLooks: 2, applied: 2 }); // built anew, and looked at
  loop.mark('a');
  await turn();
  answer?.();
  expect(seen.applied).toBe(3);
  seen.missing = [ONE];
  await pass(610_000);
  expect(seen).toMatchObject({ wholeLooks: 4, applied: 4, missing: [] });
});

test('what is listed as empty whatever is in it is not built again and again', async () => {
  const { seen, pass } = await running();
  seen.unlike = [{ ...ONE, isEmpty: true }];
  await pass(3_000_000);
  expect(seen).toMatchObject({ applied: 2, warnings: 2 });
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
  seen.missing = [ONE]; // as the look may have seen it in the middle of the change
  waiting.shift()?.();
  await turn();
  expect(seen.applied).toBe(2);
  clock.advance(60_000);
  await turn();
  waiting.shift()?.();
  await turn();
  expect(seen).toMatchObject({ wholeLooks: 3, applied: 3 });
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
