import { expect, test } from 'vitest';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { changed, definePlugin } from './define-plugin.ts';
import { SchedulingQueue } from './queue.ts';

const taints = definePlugin({ name: 'Taints', retryWhen: [changed(Node, 'spec.taints')] });
const gate = definePlugin({ name: 'Gate', retryWhen: [] });

const pod = (name: string, { priority = 0, gates = 0 } = {}): Pod =>
  ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', uid: name, resourceVersion: '1', creationTimestamp: '' },
    spec: { priority, schedulingGates: Array(gates).fill({ name: 'g' }) },
  }) as unknown as Pod;

const nodeWith = (taint: string) => ({ spec: { taints: [{ key: taint }] } }) as unknown as Node;
const tainted = { kind: Node, before: nodeWith('a'), now: nodeWith('b') };
const relabelled = { kind: Node, before: nodeWith('a'), now: nodeWith('a') };

function queue() {
  const clock = new ManualClock();
  const waiting = new SchedulingQueue({
    clock,
    order: (a, b) => (b.pod.spec.priority ?? 0) - (a.pod.spec.priority ?? 0) || a.sinceMs - b.sinceMs,
    gateOf: ({ spec }) => (spec.schedulingGates?.length ? gate : undefined),
    onReady: () => undefined,
  });
  return { clock, waiting, next: () => waiting.take()?.pod.metadata.name };
}

test('pods come out by priority, then in the order in which they came', () => {
  const { clock, waiting, next } = queue();
  for (const [name, priority] of [
    ['a', 0],
    ['b', 5],
    ['c', 0],
    ['d', 9],
  ] as const) {
    waiting.put(pod(name, { priority }));
    clock.advance(1);
  }
  expect([next(), next(), next(), next(), next()]).toEqual(['d', 'b', 'a', 'c', undefined]);
});

test('pods that came in one millisecond come out in the order in which they came', () => {
  const { waiting, next } = queue();
  for (const name of ['a', 'b', 'c', 'd', 'e']) waiting.put(pod(name));
  expect([next(), next(), next(), next(), next()]).toEqual(['a', 'b', 'c', 'd', 'e']);
});

test('a pod for which something went wrong is tried again after its back-off, longer each time in a row', () => {
  const { clock, waiting, next } = queue();
  const web = pod('web');
  waiting.put(web);
  for (const backOffMs of [1_000, 2_000, 4_000, 8_000, 10_000, 10_000]) {
    expect(next()).toBe('web');
    waiting.refused(web, []);
    clock.advance(backOffMs - 1);
    expect(next()).toBeUndefined();
    clock.advance(1);
  }
  expect(next()).toBe('web');
  waiting.refused(web, [taints]);
  waiting.changed(tainted);
  expect(next()).toBe('web');
  waiting.refused(web, []);
  clock.advance(999);
  expect(next()).toBeUndefined();
  clock.advance(1);
  expect(next()).toBe('web');
});

test('a refused pod waits for a change that could help; its back-off is waited for only while others are to be tried', () => {
  const { clock, waiting, next } = queue();
  const web = pod('web');
  waiting.put(web);
  next();
  waiting.refused(web, [taints]);
  waiting.changed(relabelled);
  clock.advance(60);
  expect([next(), waiting.counts().unschedulable]).toEqual([undefined, 1]);
  waiting.put(pod('other', { priority: -1 }));
  waiting.changed(tainted);
  expect(waiting.readyCount).toBe(2);
  expect([next(), next(), next()]).toEqual(['other', 'web', undefined]);
});

test('of pods that back off those come first whose time ends in an earlier second, then the more important ones', () => {
  const { clock, waiting, next } = queue();
  const refuse = (name: string, priority: number) => {
    const one = pod(name, { priority });
    waiting.put(one);
    next();
    waiting.refused(one, [taints]);
  };
  clock.advance(500);
  refuse('early', 0);
  clock.advance(600);
  refuse('late', 5);
  refuse('later', 9);
  waiting.changed(tainted);
  expect([next(), next(), next()]).toEqual(['early', 'later', 'late']);
});

test('a pod that was refused more often backs off longer', () => {
  const { waiting, next } = queue();
  const refuse = (one: Pod) => {
    expect(next()).toBe(one.metadata.name);
    waiting.refused(one, [taints]);
    waiting.changed(tainted);
  };
  const often = pod('often', { priority: 5 });
  waiting.put(often);
  for (let i = 0; i < 3; i++) refuse(often); // 1 s, 2 s, 4 s
  const once = pod('once');
  waiting.put(once);
  refuse(once); // 1 s
  expect([next(), next()]).toEqual(['once', 'often']);
});

test('the place that a pod gives up itself does not bring it back', () => {
  const { waiting, next } = queue();
  const any = definePlugin({ name: 'Any' });
  const web = pod('web');
  waiting.put(web);
  next();
  waiting.changed({ kind: Pod, now: undefined, before: web });
  waiting.refused(web, [any]);
  waiting.changed({ kind: Pod, now: undefined, before: web });
  expect(next()).toBeUndefined();
  waiting.changed({ kind: Pod, now: undefined, before: pod('other') });
  expect(next()).toBe('web');
});

test('a change that comes while the pod is being tried is not missed', () => {
  const { clock, waiting, next } = queue();
  const web = pod('web');
  waiting.put(web);
  next();
  waiting.changed(tainted);
  waiting.refused(web, [taints]);
  clock.advance(1_000);
  expect(next()).toBe('web');
});

test('a change of the pod itself that comes while it is being tried is not missed', () => {
  const { clock, waiting, next } = queue();
  const web = pod('web');
  waiting.put(web);
  next();
  waiting.put(pod('web', { priority: 1 }));
  waiting.refused(web, [taints]);
  clock.advance(1_000);
  expect(next()).toBe('web');
  waiting.refused(web, [taints]);
  clock.advance(10_000);
  expect(next()).toBeUndefined();
});

test('without a helpful change it is tried again after five minutes', () => {
  const { clock, waiting, next } = queue();
  const web = pod('web');
  waiting.put(web);
  next();
  waiting.refused(web, [taints]);
  clock.advance(299_999);
  expect(next()).toBeUndefined();
  clock.advance(1);
  expect(next()).toBe('web');
});

test('a gated pod is not tried before its gates are gone', () => {
  const { waiting, next } = queue();
  waiting.put(pod('web', { gates: 1 }));
  waiting.changed(tainted);
  expect(next()).toBeUndefined();
  waiting.put(pod('web'));
  expect(next()).toBe('web');
});

test('a pod that is removed while it is tried does not come back', () => {
  const { clock, waiting, next } = queue();
  const web = pod('web');
  waiting.put(web);
  next();
  waiting.remove(web);
  waiting.refused(web, []);
  clock.advance(60_000);
  expect(next()).toBeUndefined();
  expect(clock.nextDueMs).toBeUndefined();
});

test('another pod of the same name is another pod', () => {
  const { waiting, next } = queue();
  const first = pod('web');
  waiting.put(first);
  next();
  const second = { ...first, metadata: { ...first.metadata, uid: 'second' } };
  waiting.put(second);
  waiting.done(first);
  expect(waiting.take()?.pod.metadata.uid).toBe('second');
});

test('a pod for which room is being made is not tried before that is over, and then if something helped it', () => {
  const { clock, waiting, next } = queue();
  const web = pod('web');
  waiting.put(web);
  next();
  waiting.hold(web);
  waiting.refused(web, [taints]);
  waiting.changed(tainted);
  clock.advance(60_000);
  expect(next()).toBeUndefined();
  waiting.release(web);
  expect(next()).toBe('web');

  waiting.hold(web);
  waiting.refused(web, [taints]);
  waiting.release(web);
  clock.advance(60_000);
  expect(next()).toBeUndefined();
  expect(waiting.counts().unschedulable).toBe(1);
});

test('a change that no hint concerns is looked at once, however many pods wait', () => {
  let asked = 0;
  const hint = Object.assign(
    () => {
      asked++;
      return true;
    },
    { concerns: ({ now }: { now: unknown }) => now === tainted.now },
  );
  const picky = definePlugin({ name: 'Picky', retryWhen: [hint] });
  const { waiting, next } = queue();
  for (let i = 0; i < 100; i++) {
    const each = pod(`pod-${i}`);
    waiting.put(each);
    next();
    waiting.refused(each, [picky]);
  }
  waiting.changed(relabelled);
  expect(asked).toBe(0);
  waiting.changed(tainted);
  expect(asked).toBe(100);
  expect(waiting.counts()['backing off']).toBe(100);
});

test('changes are remembered only as long as a pod that was taken before them is tried', () => {
  const { clock, waiting, next } = queue();
  const [first, second] = [pod('first'), pod('second')];
  waiting.put(first);
  clock.advance(1);
  waiting.put(second);
  expect([next(), next()]).toEqual(['first', 'second']);
  waiting.changed(tainted);
  waiting.done(first);
  for (let i = 0; i < 10; i++) waiting.changed(relabelled);
  waiting.refused(second, [taints]); // the one that helps came while it was being tried
  clock.advance(1_000);
  expect(next()).toBe('second');
});
