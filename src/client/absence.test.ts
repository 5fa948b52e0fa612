import { expect, test } from 'vitest';
import { Pod } from '#api/core/v1/pod.ts';
import { forbidden } from '#api/machinery/status.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { PlainSignal } from '#base/plain-signal.ts';
import { seededRandom } from '#base/random.ts';
import { Client } from './client.ts';
import { SharedInformers } from './informers.ts';
import type { Transport, WatchEvent } from './transport.ts';

/** A cluster without pods, until `over`; `watched`: how often its pods are asked for. */
function withoutPods(events: () => AsyncIterable<WatchEvent>) {
  const asked = { over: (): Promise<void> => Promise.resolve(), watched: 0 };
  const transport: Transport = {
    streamsLists: true,
    request: () => Promise.reject(new Error('nobody lists')),
    watch() {
      asked.watched++;
      return events();
    },
  };
  const signal = new PlainSignal();
  const informers = new SharedInformers({
    client: new Client(transport),
    clock: new ManualClock(),
    random: seededRandom(1),
    signal,
    absence: {
      of(_kind, over) {
        asked.over = over;
        return '7';
      },
    },
  });
  return { asked, informer: informers.for(Pod), stop: () => signal.abort() };
}

const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web', namespace: 'default', resourceVersion: '9' } };
const listed = {
  kind: 'Pod',
  metadata: { resourceVersion: '9', annotations: { 'k8s.io/initial-events-end': 'true' } },
};
async function* aPod() {
  yield { type: 'ADDED', object: pod } as unknown as WatchEvent;
  yield { type: 'BOOKMARK', object: listed } as unknown as WatchEvent;
  await new Promise(() => undefined);
}

test('where there is nothing, an informer has all there is without having asked', () => {
  const { asked, informer } = withoutPods(aPod);
  expect([informer.hasSynced, informer.resourceVersion, informer.list()]).toEqual([true, '7', []]);
  expect(asked.watched).toBe(0);
});

test('it begins to follow when that is over, and says when it knows what there is', async () => {
  const { asked, informer } = withoutPods(aPod);
  const told: string[] = [];
  informer.onChange(({ key }) => told.push(key));
  await asked.over();
  expect([told, informer.resourceVersion, asked.watched]).toEqual([['default/web'], '9', 1]);
});

test('who is refused what there is keeps nobody waiting', async () => {
  const refused = async function* () {
    yield* [] as WatchEvent[];
    throw forbidden(Pod, '', 'no');
  };
  const { asked, informer } = withoutPods(refused);
  await asked.over();
  expect(informer.list()).toEqual([]);
});

test('nothing is asked for after the end', async () => {
  const { asked, stop } = withoutPods(aPod);
  stop();
  await asked.over();
  expect(asked.watched).toBe(0);
});
