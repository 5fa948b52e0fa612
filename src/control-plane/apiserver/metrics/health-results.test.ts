import { expect, test } from 'vitest';
import { healthOf } from '../http/health.ts';
import { HealthResults } from './health-results.ts';

test('checks are told as they went last, and counted by how they went; who asks for one alone changes nothing', async () => {
  const results = new HealthResults(5_000);
  let isWell = true;
  const check = () => {
    if (!isWell) throw new Error('not now');
  };
  const checks = [{ name: 'store', of: ['livez', 'readyz'] as const, check }];
  const observe = results.observe.bind(results);
  const ask = (name = '', query = '') =>
    healthOf(checks, { endpoint: 'readyz', name, query: new URLSearchParams(query), observe });
  await ask();
  await ask();
  isWell = false;
  expect((await ask())?.code).toBe(500);
  await ask('store');
  await ask('', 'exclude=store');
  const lines = (await results.registry.metrics()).split('\n').filter((line) => line && !line.startsWith('#'));
  expect(lines).toEqual([
    'kubernetes_healthcheck{name="store",type="readyz"} 0',
    'kubernetes_healthchecks_total{name="store",type="readyz",status="success"} 2',
    'kubernetes_healthchecks_total{name="store",type="readyz",status="error"} 1',
    'process_start_time_seconds 5',
  ]);
});
