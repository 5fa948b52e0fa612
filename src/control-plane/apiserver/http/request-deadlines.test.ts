import { describe, expect, test } from 'vitest';
import { goDurationMs } from '#api/machinery/go-duration.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { RequestDeadlines, requestedTimeoutMs } from './request-deadlines.ts';

test('requests end in the order in which they came, each when its own time is over', () => {
  const clock = new ManualClock();
  const deadlines = new RequestDeadlines(clock, 100);
  const missed: string[] = [];
  const begin = (name: string, afterMs?: number) => deadlines.begin(afterMs, () => missed.push(name));
  begin('a');
  clock.advance(30);
  const b = begin('b');
  begin('short', 20);
  clock.advance(30);
  begin('c');
  b.end();
  expect(missed).toEqual(['short']);
  clock.advance(40);
  expect(missed).toEqual(['short', 'a']);
  clock.advance(60);
  expect(missed).toEqual(['short', 'a', 'c']);
  begin('d');
  clock.advance(100);
  expect(missed).toEqual(['short', 'a', 'c', 'd']);
});

test('one that is over in time is not missed', () => {
  const clock = new ManualClock();
  const deadlines = new RequestDeadlines(clock, 100);
  let count = 0;
  deadlines.begin(undefined, () => count++).end();
  deadlines.begin(10, () => count++).end();
  clock.advance(1000);
  expect(count).toBe(0);
});

describe('the time that a client allows', () => {
  test.each([
    ['', undefined],
    ['timeout=', undefined],
    ['timeout=0s', undefined],
    ['timeout=32s', 32_000],
    ['timeout=1m30s', 90_000],
    ['timeout=1.5s', 1500],
    ['timeout=250us', 0.25],
  ])('%s', (query, ms) => {
    expect(requestedTimeoutMs(new URLSearchParams(query))).toBe(ms);
  });

  test.each([
    ['5', 'time: missing unit in duration "5"'],
    ['5 s', 'time: unknown unit " s" in duration "5 s"'],
    ['x', 'time: invalid duration "x"'],
    ['5d', 'time: unknown unit "d" in duration "5d"'],
    ['99999999999999999999h', 'time: invalid duration "99999999999999999999h"'],
  ])('%s is none', (text, problem) => {
    expect(goDurationMs(text)).toEqual({ problem });
  });
});
