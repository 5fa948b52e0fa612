import { expect, test } from 'vitest';
import { ManualClock } from '#base/manual-clock.ts';
import type { Arrival } from './arrival.ts';
import { chooseUpstream, MOST_TRIES } from './choose-upstream.ts';
import { routeOptionsOf } from './route-options.ts';
import type { Route } from './route-table.ts';
import { Upstreams } from './upstreams.ts';

/** Those of one node are neighbours. */
const endpoints = Array.from({ length: 6 }, (_, i) => ({ address: `10.244.${i < 3 ? 1 : 2}.${i + 1}`, port: 80 }));
const lost = endpoints.slice(0, 3);
const base = { path: '/', backend: 'shop/web:80', options: routeOptionsOf() };

test.each([
  { of: 'one backend', route: base },
  { of: 'several backends', route: { ...base, split: [{ backend: 'shop/web:80', weight: 1 }] } },
])('a node that is lost with more endpoints than are tried holds up nobody: $of', ({ route }) => {
  const upstreams = new Upstreams();
  upstreams.put('shop/web:80', endpoints);
  const clock = new ManualClock();
  for (const each of lost) upstreams.unreachable.failed(each, clock.monotonicMs());
  const choosing = { route: route as unknown as Route, upstreams, clock, random: () => 0.5 };
  for (let i = 0; i < endpoints.length; i++) {
    const choice = chooseUpstream({} as Arrival, {}, choosing);
    expect(choice.endpoints).toHaveLength(MOST_TRIES);
    expect(lost).not.toContain(choice.endpoints[0]);
    expect(lost).not.toContain(choice.endpoints[2]);
  }
});
