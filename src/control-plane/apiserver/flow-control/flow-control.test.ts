import { describe, expect, test } from 'vitest';
import type { FlowSchema, PriorityLevelConfiguration } from '#api/generated/schema.ts';
import { ManualClock } from '#base/manual-clock.ts';
import type { UserInfo } from '#client/transport.ts';
import { requestInfoOf } from '../request-info.ts';
import { SUGGESTED_FLOWS, SUGGESTED_LEVELS } from './bootstrap-config.ts';
import { allocated } from './concurrency-allocation.ts';
import { DroppedRequests } from './dropped-requests.ts';
import { dumpOf } from './dump.ts';
import { FlowControl } from './flow-control.ts';
import { dealtHand, flowHash, problemOfDeck } from './shuffle-sharding.ts';
import { WatchCounts } from './watch-counts.ts';
import type { Work } from './work.ts';
import { estimatedWork } from './work-estimate.ts';

const user = (name: string, ...groups: string[]): UserInfo => ({ name, groups: [...groups, 'system:authenticated'] });
const patience = () => ({ limitMs: 15_000 });

function fixture(seats = 600) {
  const clock = new ManualClock();
  const control = new FlowControl({ clock, seats, size: () => undefined });
  return { clock, control };
}

const PODS = '/api/v1/namespaces/shop/pods';
const LEASE = '/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/x';

describe('the flows of a new cluster', () => {
  const { control } = fixture();
  control.configure(SUGGESTED_LEVELS, SUGGESTED_FLOWS);
  test.each([
    ['GET', PODS, user('root', 'system:masters'), 'exempt/exempt'],
    ['GET', '/readyz', { name: 'system:anonymous', groups: ['system:unauthenticated'] }, 'probes/exempt'],
    ['GET', '/livez/ping', user('x'), 'probes/exempt'],
    ['POST', '/livez', user('x'), 'global-default/global-default'],
    ['PUT', LEASE, user('system:kube-scheduler'), 'system-leader-election/leader-election'],
    ['DELETE', LEASE, user('system:kube-scheduler'), 'kube-scheduler/workload-high'],
    ['PUT', LEASE, user('system:serviceaccount:kube-system:x'), 'system-leader-election/leader-election'],
    ['PATCH', '/api/v1/nodes/one/status', user('system:node:one', 'system:nodes'), 'system-node-high/node-high'],
    ['GET', '/api/v1/nodes', user('system:node:one', 'system:nodes'), 'system-node-high/node-high'],
    ['GET', PODS, user('system:node:one', 'system:nodes'), 'system-nodes/system'],
    ['GET', PODS, user('system:kube-controller-manager'), 'kube-controller-manager/workload-high'],
    ['GET', PODS, user('system:serviceaccount:kube-system:dns'), 'kube-system-service-accounts/workload-high'],
    ['GET', PODS, user('system:serviceaccount:shop:web', 'system:serviceaccounts'), 'service-accounts/workload-low'],
    ['GET', PODS, user('system:serviceaccount:kube-systemx:web'), 'global-default/global-default'],
    ['GET', PODS, user('alice'), 'global-default/global-default'],
    ['GET', '/version', user('alice'), 'global-default/global-default'],
    ['GET', PODS, { name: 'nobody', groups: [] }, 'catch-all/catch-all'],
  ] as const)('%s %s of %o', (method, path, who, expected) => {
    const { schema, level } = control.classify(requestInfoOf(method, path), who);
    expect(`${schema.metadata.name}/${level.name}`).toBe(expected);
  });

  test('seats are shared as upstream shares its 600', () => {
    const seats = Object.fromEntries(control.levels.map(({ name, limits }) => [name, limits]));
    expect(seats).toEqual({
      'catch-all': { nominal: 13, lower: 13, upper: 613 },
      exempt: { nominal: 0, lower: 0, upper: 600 },
      'global-default': { nominal: 49, lower: 24, upper: 649 },
      'leader-election': { nominal: 25, lower: 25, upper: 625 },
      'node-high': { nominal: 98, lower: 73, upper: 698 },
      system: { nominal: 74, lower: 50, upper: 674 },
      'workload-high': { nominal: 98, lower: 49, upper: 698 },
      'workload-low': { nominal: 245, lower: 24, upper: 845 },
    });
  });
});

const flow = (name: string, level: string, precedence: number): FlowSchema =>
  ({
    metadata: { name, uid: `${name}-uid` },
    spec: {
      matchingPrecedence: precedence,
      priorityLevelConfiguration: { name: level },
      rules: [
        {
          subjects: [{ kind: 'User', user: { name: 'alice' } }],
          resourceRules: [{ verbs: ['list'], apiGroups: [''], resources: ['pods'], namespaces: ['shop'] }],
        },
      ],
    },
  }) as unknown as FlowSchema;
const level = (name: string, limited: object): PriorityLevelConfiguration =>
  ({
    metadata: { name, uid: `${name}-uid` },
    spec: {
      type: 'Limited',
      limited: { nominalConcurrencyShares: 10, lendablePercent: 0, limitResponse: { type: 'Reject' }, ...limited },
    },
  }) as unknown as PriorityLevelConfiguration;

test('smaller precedence goes first, then the name; a schema that leads nowhere is not used', () => {
  const { control } = fixture();
  const info = requestInfoOf('GET', PODS);
  const found = () => control.classify(info, user('alice')).schema.metadata.name;
  const known = control.configure(
    [level('one', {})],
    [flow('b', 'one', 50), flow('c', 'one', 50), flow('a', 'gone', 2)],
  );
  expect([...known]).toEqual(['one']);
  expect(found()).toBe('b');
  control.configure([level('one', {})], [flow('b', 'one', 50), flow('c', 'one', 49)]);
  expect(found()).toBe('c');
  expect(control.classify(requestInfoOf('GET', '/api/v1/pods'), user('alice')).schema.metadata.name).toBe('catch-all');
});

test('of who reads by name it is remembered where they belong, user by user, until the configuration is another', () => {
  const { control } = fixture();
  const alice = user('alice');
  const reading = flow('reading', 'one', 50);
  reading.spec.rules![0]!.resourceRules![0]!.verbs = ['get'];
  const found = (who: UserInfo, path: string, method = 'GET') =>
    control.classify(requestInfoOf(method, path), who).schema.metadata.name;
  control.configure([level('one', {})], [reading]);
  for (const pod of ['a', 'b', 'a']) {
    expect(found(alice, `${PODS}/${pod}`)).toBe('reading');
    expect(found(alice, `${PODS}/${pod}`, 'DELETE')).toBe('catch-all');
    expect(found(user('bob'), `${PODS}/${pod}`)).toBe('catch-all');
    expect(found(alice, `${PODS.replace('shop', 'bank')}/${pod}`)).toBe('catch-all');
    expect(found(alice, `${PODS}/${pod}/log`)).toBe('catch-all');
  }
  control.configure([level('one', {})], []);
  expect(found(alice, `${PODS}/a`)).toBe('catch-all');
});

test('a level that is deleted while it works keeps its seats until the last request is done', () => {
  const { control } = fixture();
  const info = requestInfoOf('GET', PODS);
  control.configure([level('one', {})], [flow('b', 'one', 50)]);
  const taken = control.classify(info, user('alice'));
  const work = control.begin(taken, { info, user: user('alice') }, patience) as Work;
  control.configure([], []);
  expect(control.levels.map(({ name, isQuiescing }) => [name, isQuiescing])).toContainEqual(['one', true]);
  work.finish();
  control.adjust();
  expect(control.levels.map(({ name }) => name)).toEqual(['catch-all', 'exempt']);
});

test('a busy level borrows what an idle one lends, and gives it back', () => {
  const { control, clock } = fixture(100);
  const busy = level('busy', {
    limitResponse: { type: 'Queue', queuing: { queues: 8, handSize: 2, queueLengthLimit: 200 } },
  });
  const idle = level('idle', { nominalConcurrencyShares: 85, lendablePercent: 80 });
  control.configure([busy, idle], [flow('b', 'busy', 50)]);
  const current = () => Object.fromEntries(control.levels.map((each) => [each.name, each.current]));
  const info = requestInfoOf('GET', PODS);
  const begun = Array.from({ length: 60 }, () =>
    control.begin(control.classify(info, user('alice')), { info, user: user('alice') }, patience),
  );
  const isRunning = () => control.levels.find(({ name }) => name === 'busy')!.queues.executing;
  const before = isRunning();
  clock.advance(10_000);
  control.adjust();
  clock.advance(1);
  expect(current()['busy']).toBeGreaterThan(10);
  expect(isRunning()).toBeGreaterThan(before);
  expect(isRunning()).toBe(Math.min(60, current()['busy']!));
  expect(current()['idle']).toBeGreaterThanOrEqual(17);
  expect(begun.length).toBe(60);
});

test('what is stored and cannot be used is passed over', () => {
  const { control } = fixture();
  const odd = level('odd', {
    limitResponse: { type: 'Queue', queuing: { queues: 512, handSize: 8, queueLengthLimit: 5 } },
  });
  expect([...control.configure([odd], [flow('b', 'odd', 3)])]).toEqual([]);
  expect(problemOfDeck({ deckSize: 512, handSize: 8 })).toBe(
    'required entropy bits of deckSize 512 and handSize 8 is greater than 60',
  );
});

test('a hand holds different queues, and the same flow is always dealt the same', () => {
  for (let i = 0; i < 200; i++) {
    const hand = dealtHand(flowHash('schema', `user-${i}`), { deckSize: 64, handSize: 6 });
    expect(new Set(hand).size).toBe(6);
    expect(hand.every((card) => card >= 0 && card < 64)).toBe(true);
    expect(dealtHand(flowHash('schema', `user-${i}`), { deckSize: 64, handSize: 6 })).toEqual(hand);
  }
});

test.each([
  // [sum, [lower, upper, target][], expected]: worked out by hand
  [
    100,
    [
      [0, 100, 50],
      [0, 100, 50],
    ],
    [50, 50],
  ],
  [
    100,
    [
      [0, 100, 10],
      [0, 100, 30],
    ],
    [25, 75],
  ],
  [
    100,
    [
      [60, 100, 60],
      [0, 100, 100],
    ],
    [60, 40],
  ],
  [
    100,
    [
      [0, 20, 100],
      [0, 100, 100],
    ],
    [20, 80],
  ],
  [
    10,
    [
      [5, 5, 5],
      [5, 20, 5],
    ],
    [5, 5],
  ],
  [0, [[0, 5, 0]], [0]],
] as const)('%i seats among %j', (sum, bounds, expected) => {
  const items = bounds.map(([lowerBound, upperBound, target]) => ({ lowerBound, upperBound, target }));
  const seats = allocated(sum, items)!.seats;
  seats.forEach((one, i) => {
    expect(one).toBeCloseTo(expected[i]!, 5);
  });
});

test('bounds that cannot add up have no allocation', () => {
  expect(allocated(10, [{ lowerBound: 11, upperBound: 12, target: 11 }])).toBeUndefined();
  expect(allocated(10, [{ lowerBound: 1, upperBound: 5, target: 2 }])).toBeUndefined();
});

describe('work of a request', () => {
  const estimate = (method: string, path: string, { objects = 0, bytes = 0, watchers = 0, maxSeats = 0 } = {}) => {
    const info = requestInfoOf(method, path);
    if (!info.isResource) throw new Error('not a resource');
    return estimatedWork(info, { maxSeats, size: () => ({ objects, bytes }), watchers: () => watchers });
  };
  test.each([
    ['GET', `${PODS}/one`, {}, [1, 0, 0]],
    ['GET', PODS, { objects: 100, bytes: 500_000 }, [5, 0, 0]],
    ['GET', `${PODS}?limit=10`, { objects: 100, bytes: 500_000 }, [1, 0, 0]],
    ['GET', PODS, { objects: 100_000, bytes: 500_000_000 }, [10, 0, 0]],
    ['GET', PODS, { objects: 100_000, bytes: 500_000_000, maxSeats: 8 }, [8, 0, 0]],
    ['GET', `${PODS}?fieldSelector=metadata.name%3Done`, { objects: 1000, bytes: 5_000_000 }, [1, 0, 0]],
    ['GET', `${PODS}?watch=1`, { objects: 100, bytes: 500_000 }, [5, 0, 0]],
    ['GET', `${PODS}?watch=1&resourceVersion=7`, { objects: 100, bytes: 500_000 }, [1, 0, 0]],
    ['POST', PODS, { watchers: 9 }, [1, 0, 0]],
    ['POST', PODS, { watchers: 25 }, [1, 3, 5]],
    ['POST', PODS, { watchers: 1000 }, [1, 10, 50]],
    ['POST', '/api/v1/namespaces/a/serviceaccounts/b/token', { watchers: 1000 }, [1, 0, 0]],
  ] as const)('%s %s with %j', (method, path, options, expected) => {
    const { initialSeats, finalSeats, lingerMs } = estimate(method, path, options);
    expect([initialSeats, finalSeats, lingerMs]).toEqual(expected);
  });
});

test('a write counts who watches it: everywhere, in its namespace, itself', () => {
  const counts = new WatchCounts();
  const watch = (path: string) => {
    const info = requestInfoOf('GET', `${path}${path.includes('?') ? '&' : '?'}watch=1`);
    return info.isResource ? counts.begin(info) : () => undefined;
  };
  const ends = [
    '/api/v1/pods',
    PODS,
    `${PODS}?fieldSelector=metadata.name%3Da`,
    '/api/v1/pods?fieldSelector=spec.nodeName%3Dx',
    '/api/v1/namespaces/other/pods',
  ].map(watch);
  const of = (path: string) => {
    const info = requestInfoOf('PUT', path);
    return info.isResource ? counts.of(info) : -1;
  };
  expect([of(`${PODS}/a`), of(`${PODS}/b`), of('/api/v1/namespaces/x/configmaps/a')]).toEqual([3, 2, 0]);
  for (const end of ends) end();
  expect(of(`${PODS}/a`)).toBe(0);
});

test('who is turned away often is told to come back later', () => {
  const dropped = new DroppedRequests();
  const drop = (second: number, count: number) => {
    for (let i = 0; i < count; i++) dropped.record(second * 1000);
  };
  expect(dropped.retryAfterSeconds).toBe(1);
  drop(100, 10);
  drop(101, 1);
  expect(dropped.retryAfterSeconds).toBe(2);
  drop(200, 1);
  expect(dropped.retryAfterSeconds).toBe(1);
});

test('tables for people tell what waits and what runs', () => {
  const { control } = fixture(2);
  const one = level('one', {
    limitResponse: { type: 'Queue', queuing: { queues: 1, handSize: 1, queueLengthLimit: 5 } },
  });
  control.configure([one], [flow('b', 'one', 50)]);
  const info = requestInfoOf('GET', PODS);
  for (let i = 0; i < 3; i++)
    void control.begin(control.classify(info, user('alice')), { info, user: user('alice') }, patience);
  const dump = (name: string, query = '') =>
    dumpOf(control, `/debug/api_priority_and_fairness/${name}`, new URLSearchParams(query));
  expect(dump('dump_priority_levels')).toContain('PriorityLevelName, ActiveQueues, IsIdle, ');
  expect(dump('dump_priority_levels')).toMatch(/one, +1, +false, +false, +1, +2, +2, +0, +0, +0\n/);
  expect(dump('dump_queues')).toMatch(/one, +0, +1, +2, +2, +0\.0\d+ss, +1, +1, +0\.0030*ss\n/);
  expect(dump('dump_requests')?.split('\n').length).toBe(5);
  expect(dump('dump_requests', 'includeRequestDetails=1')).toMatch(
    /alice, +list, +\/api\/v1\/namespaces\/shop\/pods, +shop, +, +v1, +pods, /,
  );
  expect(dump('nonsense')).toBeUndefined();
});
