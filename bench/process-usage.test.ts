import { expect, test } from 'vitest';
import { cpuSecondsOf, memoryOf } from './process-usage.ts';

test.runIf(process.platform === 'linux')('the memory of a process is told apart', () => {
  const { rss, anonymous, file } = memoryOf(process.pid);
  expect(anonymous + file).toBeGreaterThan(rss * 0.9);
  expect(rss).toBeGreaterThan((process.memoryUsage.rss() / 1e6) * 0.5);
  expect(rss).toBeLessThan((process.memoryUsage.rss() / 1e6) * 2);
});

test.runIf(process.platform === 'linux')('CPU time is that of the process', () => {
  const { user, system } = process.cpuUsage();
  const seconds = (user + system) / 1e6;
  expect(Math.abs(cpuSecondsOf(process.pid) - seconds)).toBeLessThan(0.1 + seconds * 0.1);
});
