/** Watches: what is seen, from where, and in which order. */
import { describe, expect, test } from 'vitest';
import type { KubeObject } from '#api/machinery/object.ts';
import { eventually } from '../running-cluster.ts';
import { configMap, type Playground, playground } from './playground.ts';

interface Numbered extends KubeObject {
  data?: { mutation?: string };
}
type Seen = ReturnType<Playground['api']['watch']>;

/** An event as the tests compare it: `ADDED a`, `MODIFIED a 2`. */
const told = ({ events }: Seen): string[] =>
  events.map(({ type, object }) => {
    const { metadata, data } = object as Numbered;
    return [type, metadata.name, data?.mutation].filter(Boolean).join(' ');
  });

async function sees(watch: Seen, expected: string[]): Promise<void> {
  await eventually(`the watch sees ${expected.join(', ')}`, async () => watch.events.length >= expected.length);
  expect(told(watch)).toEqual(expected);
}

describe('watches', () => {
  const ground = playground('watch', async () => undefined);
  const all = () => ground().path('ConfigMap');
  const make = (name: string, of: string) =>
    ground().api.post<Numbered>(all(), {
      ...configMap(name, {}),
      metadata: { name, labels: { 'watch-this': of } },
    });
  const mutate = (name: string, mutation: string) =>
    ground().api.patch<Numbered>(`${all()}/${name}`, { data: { mutation } });
  const label = (name: string, of: string) =>
    ground().api.patch(`${all()}/${name}`, { metadata: { labels: { 'watch-this': of } } });
  const remove = (name: string) => ground().api.delete(`${all()}/${name}`);
  const selected = (selector: string) => `${all()}?labelSelector=${encodeURIComponent(`watch-this ${selector}`)}`;
  const watchOf = (selector: string, from: Numbered) =>
    ground().api.watch(`${selected(selector)}&resourceVersion=${from.metadata.resourceVersion}`);
  const watchFromNow = (selector: string) => ground().api.watchFromNow(selected(selector));

  test('Watchers should observe add, update, and delete watch notifications on configmaps', async () => {
    const watches = {
      a: await watchFromNow('in (a)'),
      b: await watchFromNow('in (b)'),
      both: await watchFromNow('in (a,b)'),
    };
    try {
      for (const name of ['a', 'b'] as const) {
        const other = name === 'a' ? watches.b : watches.a;
        const before = { other: told(other), both: told(watches.both) };
        await make(name, name);
        await mutate(name, '1');
        await mutate(name, '2');
        await remove(name);
        const expected = [`ADDED ${name}`, `MODIFIED ${name} 1`, `MODIFIED ${name} 2`, `DELETED ${name} 2`];
        await sees(watches[name], expected);
        await sees(watches.both, [...before.both, ...expected]);
        expect(told(other)).toEqual(before.other);
      }
    } finally {
      for (const watch of Object.values(watches)) watch.stop();
    }
  });

  test('Watchers should be able to start watching from a specific resource version', async () => {
    await make('specific', 'version');
    const first = await mutate('specific', '1');
    await mutate('specific', '2');
    await remove('specific');
    const watch = watchOf('= version', first);
    try {
      await sees(watch, ['MODIFIED specific 2', 'DELETED specific 2']);
    } finally {
      watch.stop();
    }
  });

  test('Watchers should be able to restart watching from the last resource version observed by the previous watch', async () => {
    const before = await watchFromNow('= restart');
    await make('restarted', 'restart');
    await mutate('restarted', '1');
    await sees(before, ['ADDED restarted', 'MODIFIED restarted 1']);
    before.stop();
    await mutate('restarted', '2');
    await remove('restarted');
    const after = watchOf('= restart', before.events.at(-1)?.object as Numbered);
    try {
      await sees(after, ['MODIFIED restarted 2', 'DELETED restarted 2']);
    } finally {
      after.stop();
    }
  });

  test('Watchers should observe an object deletion if it stops meeting the requirements of the selector', async () => {
    const watch = await watchFromNow('= selected');
    try {
      await make('moving', 'selected');
      await mutate('moving', '1');
      await label('moving', 'elsewhere');
      await sees(watch, ['ADDED moving', 'MODIFIED moving 1', 'DELETED moving 1']);
      await mutate('moving', '2');
      await label('moving', 'selected');
      await mutate('moving', '3');
      await remove('moving');
      await sees(watch, [
        ...['ADDED moving', 'MODIFIED moving 1', 'DELETED moving 1'],
        ...['ADDED moving 2', 'MODIFIED moving 3', 'DELETED moving 3'],
      ]);
    } finally {
      watch.stop();
    }
  });

  test('Watchers should receive events on concurrent watches in same order', async () => {
    const WATCHES = 20;
    const begun = await make('ordered', 'order');
    const watches: Seen[] = [];
    try {
      for (let index = 0; index < WATCHES; index++) {
        watches.push(watchOf('= order', begun));
        await Promise.all([
          mutate('ordered', `${index}`),
          make(`ordered-${index}`, 'order'),
          index > 0 ? remove(`ordered-${index - 1}`) : undefined,
        ]);
      }
      const count = 3 * WATCHES - 1;
      await eventually('all watches see all', async () => watches.every(({ events }) => events.length === count));
      const versions = watches.map(({ events }) => events.map(({ object }) => object.metadata.resourceVersion));
      for (const each of versions) expect(each).toEqual(versions[0]);
    } finally {
      for (const watch of watches) watch.stop();
    }
  });
});
