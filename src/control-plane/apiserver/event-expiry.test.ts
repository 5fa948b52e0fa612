import { expect, onTestFinished, test } from 'vitest';
import { Event } from '#api/core/v1/event.ts';
import { startCluster, type TestCluster } from '#testing/cluster.ts';

async function withEvents(names: readonly string[]) {
  const cluster = await startCluster();
  onTestFinished(() => cluster[Symbol.asyncDispose]());
  for (const name of names) await create(cluster, name);
  return cluster;
}

const said = (name: string) => ({
  metadata: { name, namespace: 'default' },
  involvedObject: { kind: 'Pod', namespace: 'default', name: 'p' },
});

const create = ({ client }: TestCluster, name: string) => client.create(Event, said(name));

const namesIn = async ({ client }: TestCluster): Promise<string[]> =>
  (await client.list(Event)).items.map(({ metadata }) => metadata.name);

test('each goes within a minute after its hour, whenever it was created', async () => {
  const cluster = await withEvents([]);
  for (let number = 0; number < 60; number += 7) {
    await create(cluster, `e${String(number).padStart(2, '0')}`);
    await cluster.clock.advance('7m');
  }
  const left: number[] = [];
  for (let minute = 63; minute < 122; minute++) {
    for (const name of await namesIn(cluster)) left.push(minute - Number(name.slice(1)));
    await cluster.clock.advance('1m');
  }
  expect(Math.max(...left)).toBe(60);
  expect(await namesIn(cluster)).toEqual([]);
  for (let age = 7; age <= 60; age++) expect(left).toContain(age);
});

test('one that happens again has another hour, though it was about to go', async () => {
  const cluster = await withEvents(['again', 'once']);
  await cluster.clock.advance('59m');
  const again = await cluster.client.get(Event, { namespace: 'default', name: 'again' });
  const lastTimestamp = new Date(cluster.clock.now()).toISOString().replace('.000', '');
  await cluster.client.update(Event, { ...again, count: 2, lastTimestamp });
  await cluster.clock.advance('3m');
  expect(await namesIn(cluster)).toEqual(['again']);
  await cluster.clock.advance('57m');
  expect(await namesIn(cluster)).toEqual(['again']);
  await cluster.clock.advance('3m');
  expect(await namesIn(cluster)).toEqual([]);
});

test('one that is changed has another hour, though it does not say that it happened again', async () => {
  const cluster = await withEvents(['changed', 'other']);
  await cluster.clock.advance('59m');
  const patch = { metadata: { labels: { a: 'b' } } };
  await cluster.client.patch(Event, { namespace: 'default', name: 'changed' }, { type: 'merge', patch });
  await cluster.clock.advance('59m');
  expect(await namesIn(cluster)).toEqual(['changed']);
  await cluster.clock.advance('12m');
  expect(await namesIn(cluster)).toEqual([]);
});

test('one that says to have happened in the future goes as well', async () => {
  const cluster = await withEvents([]);
  await cluster.client.create(Event, { ...said('future'), lastTimestamp: '2999-01-01T00:00:00Z' });
  await cluster.clock.advance('59m');
  expect(await namesIn(cluster)).toEqual(['future']);
  await cluster.clock.advance('12m');
  expect(await namesIn(cluster)).toEqual([]);
});
