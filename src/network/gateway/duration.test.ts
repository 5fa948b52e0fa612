import { expect, test } from 'vitest';
import { durationMs } from './duration.ts';

test.each([
  [undefined, undefined],
  ['0s', undefined],
  ['1h30m', 5_400_000],
  ['500ms', 500],
  ['1s500ms', 1_500],
  ['99999h', 2 ** 31 - 1], // what a timer can wait
])('%s is %s ms', (text, ms) => expect(durationMs(text)).toBe(ms));
