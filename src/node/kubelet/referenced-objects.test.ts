import { afterEach, expect, test, vi } from 'vitest';
import type { Pod } from '#api/generated/schema.ts';
import { ManualClock } from '#base/manual-clock.ts';
import type { Client } from '#client/client.ts';
import { ReferencedObjects } from './referenced-objects.ts';

const pod = (uid: string) =>
  ({
    metadata: { name: uid, namespace: 'ns', uid },
    spec: { containers: [], volumes: [{ name: 'v', configMap: { name: 'settings' } }] },
  }) as unknown as Pod;
const settings = { metadata: { name: 'settings', namespace: 'ns', resourceVersion: '7' }, data: { a: '1' } };

/** An API that tells what there is when it is told to, and of no change. */
function hangingApi() {
  const answers: ((items: object[]) => void)[] = [];
  const client = {
    async *watch(_: unknown, { signal }: { signal: AbortSignal }) {
      for (const object of await new Promise<object[]>((resolve) => answers.push(resolve)))
        yield { type: 'ADDED', object };
      const annotations = { 'k8s.io/initial-events-end': 'true' };
      yield { type: 'BOOKMARK', object: { metadata: { resourceVersion: '9', annotations } } };
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    },
  } as unknown as Client;
  return { client, answers };
}

const stops: (() => void)[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

function begin() {
  const clock = new ManualClock();
  const { client, answers } = hangingApi();
  const changed: string[] = [];
  const references = new ReferencedObjects({ client, clock, onChange: (uid) => changed.push(uid) });
  stops.push(() => references.close());
  return { clock, answers, references };
}
const { signal } = new AbortController();

test('an API that does not answer is waited for only so long', async () => {
  const { clock, answers, references } = begin();
  references.follow(pod('one'));
  const found = references.configMap('ns', 'settings');
  const refused = expect(found).rejects.toThrow('failed to sync configmap cache: timed out waiting for the condition');
  const expected = references.expectsAllOf(pod('one'), signal);
  clock.advance(10_000);
  await refused;
  expect(await expected).toBe(false);
  answers[0]?.([settings]);
  expect(await references.configMap('ns', 'settings')).toBe(settings);
  expect(await references.expectsAllOf(pod('one'), signal)).toBe(true);
});

test('what was there when its last pod went is expected to be there still, until it is known to be gone', async () => {
  const { answers, references } = begin();
  references.follow(pod('one'));
  answers[0]?.([settings]);
  expect(await references.expectsAllOf(pod('one'), signal)).toBe(true);
  references.forget('one');
  references.follow(pod('two'));
  expect(await references.expectsAllOf(pod('two'), signal)).toBe(true); // nobody has answered for it
  answers[1]?.([]);
  await vi.waitFor(async () => expect(await references.expectsAllOf(pod('two'), signal)).toBe(false));
  references.forget('two');
  references.follow(pod('three'));
  const expected = references.expectsAllOf(pod('three'), signal);
  answers[2]?.([]);
  expect(await expected).toBe(false);
});

/** An API whose watches tell these, one after the other, and then end; the last one lasts. */
function scriptedApi(...watches: [type: string, object: object][][]) {
  const counted = { watches: 0 };
  const client = {
    async *watch(_: unknown, { signal }: { signal: AbortSignal }) {
      const events = watches[counted.watches++] ?? [];
      for (const [type, object] of events) yield { type, object };
      if (counted.watches >= watches.length)
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    },
  } as unknown as Client;
  const clock = new ManualClock();
  const changed: string[] = [];
  const references = new ReferencedObjects({ client, clock, onChange: (uid) => changed.push(uid) });
  stops.push(() => references.close());
  return { clock, counted, changed, references };
}
const version = (resourceVersion: string) => ({ ...settings, metadata: { ...settings.metadata, resourceVersion } });
const end: [string, object] = [
  'BOOKMARK',
  { metadata: { resourceVersion: '9', annotations: { 'k8s.io/initial-events-end': 'true' } } },
];
const turn = () => new Promise((resolve) => setImmediate(resolve));

test('a watch that ends before it has told what there is is begun again after a pause', async () => {
  const { clock, counted, references } = scriptedApi([['ADDED', settings]], [], [['ADDED', settings], end]);
  references.follow(pod('one'));
  await expect(references.configMap('ns', 'settings')).rejects.toThrow('ended before it had told what there is');
  await turn();
  expect(counted.watches).toBe(1);
  clock.advance(500);
  await turn();
  clock.advance(1_000);
  expect(await references.configMap('ns', 'settings')).toBe(settings);
  expect(counted.watches).toBe(3);
});

test('what changed before all was told, and between two watches, is known; pods hear of the latter', async () => {
  const [first, second, third] = [version('1'), version('2'), version('3')];
  const { changed, references } = scriptedApi([['ADDED', first], ['MODIFIED', second], end], [['ADDED', third], end]);
  references.follow(pod('one'));
  await vi.waitFor(async () => expect(await references.configMap('ns', 'settings')).toBe(third));
  expect(changed).toEqual(['one']);
});

test('what went between two watches is gone, and pods hear of it', async () => {
  const { changed, references } = scriptedApi([['ADDED', settings], end], [end]);
  references.follow(pod('one'));
  await vi.waitFor(async () => expect(await references.configMap('ns', 'settings')).toBeUndefined());
  expect(changed).toEqual(['one']);
});
