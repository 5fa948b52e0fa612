import { expect, test } from 'vitest';
import { type HealthCheck, healthOf } from './health.ts';

const check = (name: string, isWell = true): HealthCheck => ({
  name,
  of: ['livez', 'readyz'],
  check: () => {
    if (!isWell) throw new Error('a secret');
  },
});
const ask = (checks: HealthCheck[], name = '', query = '') =>
  healthOf(checks, { endpoint: 'readyz', name, query: new URLSearchParams(query) });

test('all is well in one word, or check by check', async () => {
  expect(await ask([check('ping'), check('etcd')])).toEqual({ code: 200, text: 'ok' });
  expect((await ask([check('ping'), check('etcd')], '', 'verbose'))?.text).toBe(
    '[+]ping ok\n[+]etcd ok\nreadyz check passed\n',
  );
});

test('what fails is named, and not why', async () => {
  expect(await ask([check('ping'), check('etcd', false)])).toEqual({
    code: 500,
    text: '[+]ping ok\n[-]etcd failed: reason withheld\nreadyz check failed\n',
  });
});

test('a check can be left out or asked alone', async () => {
  const checks = [check('ping'), check('etcd', false)];
  expect((await ask(checks, '', 'exclude=etcd'))?.code).toBe(200);
  expect((await ask(checks, '', 'exclude=etcd&exclude=none&verbose'))?.text).toBe(
    '[+]ping ok\n[+]etcd excluded: ok\nwarn: some health checks cannot be excluded: no matches for "none"\nreadyz check passed\n',
  );
  expect(await ask(checks, 'ping')).toEqual({ code: 200, text: 'ok' });
  expect(await ask(checks, 'etcd')).toEqual({ code: 500, text: 'internal server error: a secret\n' });
  expect(await ask(checks, 'none')).toBeUndefined();
});
