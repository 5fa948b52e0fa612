import { expect, test } from 'vitest';
import { FrontOwners } from './front-owners.ts';
import type { Front, Wanted } from './fronts.ts';

const front = (of: string, ip: string | undefined, port = 80): Front => ({
  of,
  family: 'lb',
  ip,
  protocol: 'tcp',
  port,
  endpoints: [],
  inside: undefined,
  isForbiddenHere: false,
  affinitySeconds: undefined,
  sourceRanges: undefined,
});
const wanted = (fronts: Front[], more: Partial<Wanted> = {}): Wanted => ({
  fronts,
  clusterIPs: [],
  hairpins: [],
  ...more,
});
const [SHARED, OTHER] = ['192.0.2.9', '192.0.2.10'];

/** Owners, and who has what after each change of theirs: `IP:PORT` → name. */
function settling() {
  const owners = new FrontOwners();
  const put = new Map<string, Wanted>();
  return {
    owners,
    settle(...changes: [string, Wanted | undefined][]): string[] {
      const { changes: settled, applied } = owners.settle(new Map(changes));
      for (const [key, now] of settled) {
        if (now) put.set(key, now);
        else put.delete(key);
      }
      applied();
      return [...settled.keys()].sort();
    },
    has: () =>
      [...put.values()]
        .flatMap(({ fronts }) => fronts.map(({ of, ip, port }) => `${ip ?? 'node'}:${port} ${of}`))
        .sort(),
  };
}

test('the oldest has it, whichever is told of first; when it goes or wants it no more, the next has it at once', () => {
  const old = wanted([front('old', SHARED)], { since: '2026-01-01T00:00:00Z' });
  const young = wanted([front('young', SHARED), front('young', OTHER)], { since: '2026-01-02T00:00:00Z' });
  const { settle, has } = settling();
  settle(['service a/young', young]);
  expect(has()).toEqual([`${OTHER}:80 young`, `${SHARED}:80 young`]);
  expect(settle(['service z/old', old])).toEqual(['service a/young', 'service z/old']);
  expect(has()).toEqual([`${OTHER}:80 young`, `${SHARED}:80 old`]);
  expect(settle(['service z/old', { ...old, fronts: [] }])).toEqual(['service a/young', 'service z/old']);
  expect(has()).toEqual([`${OTHER}:80 young`, `${SHARED}:80 young`]);
  settle(['service z/old', old]);
  settle(['service a/young', wanted([front('young', SHARED)], { since: young.since })]); // also while it waits
  expect(has()).toEqual([`${SHARED}:80 old`]);
  settle(['service z/old', undefined]);
  expect(has()).toEqual([`${SHARED}:80 young`]);
  settle(['service a/young', undefined]);
  expect(has()).toEqual([]);
});

test('of two that are as old, the one whose name comes first', () => {
  const since = '2026-01-01T00:00:00Z';
  for (const order of [
    ['b', 'a', 'c'],
    ['c', 'b', 'a'],
  ]) {
    const { settle, has } = settling();
    for (const name of order) settle([`service default/${name}`, wanted([front(name, undefined)], { since })]);
    expect(has()).toEqual(['node:80 a']);
    settle(['service default/a', undefined]);
    expect(has()).toEqual(['node:80 b']);
  }
});

test('nobody takes the cluster address of a Service, however old', () => {
  const { settle, has } = settling();
  settle(['service a/thief', wanted([front('thief', SHARED)], { since: '2020-01-01T00:00:00Z' })]);
  settle([
    'service default/web',
    wanted([front('web', SHARED)], { since: '2026-01-01T00:00:00Z', clusterIPs: [SHARED] }),
  ]);
  expect(has()).toEqual([`${SHARED}:80 web`]);
});

test('one that wants the same twice has it once', () => {
  const { settle, has } = settling();
  settle(['service default/web', wanted([front('first', SHARED), front('second', SHARED), front('first', OTHER)])]);
  expect(has()).toEqual([`${OTHER}:80 first`, `${SHARED}:80 first`]);
  settle(['service default/web', wanted([front('first', SHARED)])]);
  expect(has()).toEqual([`${SHARED}:80 first`]);
});

test('what nobody shares is handed on as it came', () => {
  const { owners } = settling();
  const one = wanted([front('one', SHARED)]);
  expect(owners.settle(new Map([['service default/one', one]])).changes.get('service default/one')).toBe(one);
});

test('what was not applied is told again with the next change', () => {
  const { owners, settle, has } = settling();
  settle(['service default/a', wanted([front('a', SHARED)])], ['service default/b', wanted([front('b', SHARED)])]);
  owners.settle(new Map([['service default/a', undefined]])); // refused
  expect(settle()).toEqual(['service default/a', 'service default/b']);
  expect(has()).toEqual([`${SHARED}:80 b`]);
});

test('ten thousand that want the same keep nobody waiting', () => {
  const { settle, has } = settling();
  const all = Array.from({ length: 10_000 }, (_, i): [string, Wanted] => {
    const name = `s${String(i).padStart(5, '0')}`;
    return [`service default/${name}`, wanted([front(name, SHARED)], { since: '2026-01-01T00:00:00Z' })];
  });
  const from = performance.now();
  settle(...all.toReversed());
  expect(has()).toEqual([`${SHARED}:80 s00000`]);
  settle(...all.slice(0, -1).map(([key]): [string, undefined] => [key, undefined]));
  expect(has()).toEqual([`${SHARED}:80 s09999`]);
  expect(performance.now() - from).toBeLessThan(5_000); // it was a minute
}, 60_000);
