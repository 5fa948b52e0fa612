import { expect, test } from 'vitest';
import { ManualClock } from '#base/manual-clock.ts';
import { LimitAccount, type LimitAnswer, SharedLimits } from './shared-limits.ts';

const LIMITED = { client: 'default/web 10.0.0.1', rates: [{ perSecond: 1, burst: 4 }], mostConnections: 0 };
const CONNECTIONS = { ...LIMITED, rates: [], mostConnections: 3 };

/** Processes that ask one account. */
function processes(count: number) {
  const clock = new ManualClock();
  const account = new LimitAccount<number>(clock);
  let asked = 0;
  const all = Array.from({ length: count }, (_, at) => {
    const limits: SharedLimits = new SharedLimits(clock, (question) => {
      asked++;
      const answer = account.hear(at, question);
      if (answer) queueMicrotask(() => limits.answered(answer));
    });
    return limits;
  });
  return { clock, account, all, asked: () => asked };
}

test('a rate holds over all processes, whoever is asked', async () => {
  const { all, clock } = processes(3);
  const passed = async () => {
    let count = 0;
    for (let i = 0; i < 30; i++) if (await all[i % 3]?.begin(LIMITED)) count++;
    return count;
  };
  expect(await passed()).toBe(5);
  expect(await passed()).toBe(0);
  clock.advance(2_000);
  expect(await passed()).toBe(2);
});

test('one process may have the whole limit', async () => {
  const { all } = processes(3);
  const answers = await Promise.all(Array.from({ length: 30 }, () => all[0]?.begin(LIMITED)));
  expect(answers.filter(Boolean)).toHaveLength(5);
});

test('what a process would refuse itself, nobody is asked', async () => {
  const { all, asked } = processes(2);
  for (let i = 0; i < 1_000; i++) await all[0]?.begin(LIMITED);
  expect(asked()).toBe(5);
});

test('what is under way counts over all processes, until it has ended or its process has', async () => {
  const { all, account } = processes(2);
  const [a, b] = all;
  const first = await a?.begin(CONNECTIONS);
  await a?.begin(CONNECTIONS);
  await b?.begin(CONNECTIONS);
  expect(await a?.begin(CONNECTIONS)).toBeUndefined();
  expect(await b?.begin(CONNECTIONS)).toBeUndefined();
  first?.();
  expect(await b?.begin(CONNECTIONS)).toBeDefined();
  expect(await b?.begin(CONNECTIONS)).toBeUndefined();
  account.gone(0); // with its second
  expect(await b?.begin(CONNECTIONS)).toBeDefined();
  expect(await b?.begin(CONNECTIONS)).toBeUndefined();
});

test('an account that does not answer stops nobody, and is told when it is over', async () => {
  const clock = new ManualClock();
  const account = new LimitAccount<number>(clock);
  const late: LimitAnswer[] = [];
  const limits = new SharedLimits(clock, (question) => {
    const answer = account.hear(0, question);
    if (answer) late.push(answer);
  });
  const single = { ...CONNECTIONS, mostConnections: 1 };
  const waiting = limits.begin(single);
  clock.advance(1_000);
  const ended = await waiting;
  expect(ended).toBeDefined();
  for (const answer of late) limits.answered(answer); // too late to matter
  expect(await limits.begin(single)).toBeUndefined();
  ended?.();
  expect(account.hear(1, { id: 1, limited: single })).toEqual({ id: 1, passes: true });
});

test('who is alone keeps the limit without waiting for anybody', () => {
  const asked: unknown[] = [];
  const limits = new SharedLimits(
    new ManualClock(),
    (question) => asked.push(question),
    () => true,
  );
  const begun = Array.from({ length: 9 }, () => limits.begin(LIMITED));
  expect(begun.map((each) => typeof each)).toEqual([...Array(5).fill('function'), ...Array(4).fill('undefined')]);
  expect(asked).toEqual([]);
});
