import { expect, test } from 'vitest';
import { identityOf } from './directory-lock.ts';

const NOBODY = 2 ** 22 + 1; // beyond the highest process id of Linux (proc(5), pid_max)

test('a process is known by its id and start time, and where the system does not tell that, by its id', () => {
  expect(identityOf(process.pid)).toMatch(new RegExp(`^${process.pid} [1-9]\\d*$`));
  expect(identityOf(process.pid, '/no-proc')).toBe(`${process.pid} 0`);
  expect(['/proc', '/no-proc'].map((proc) => identityOf(NOBODY, proc))).toEqual([undefined, undefined]);
});
