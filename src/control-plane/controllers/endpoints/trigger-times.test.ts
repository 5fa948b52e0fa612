import { expect, test } from 'vitest';
import type { Pod, Service } from '#api/generated/schema.ts';
import { LAST_CHANGE } from './service-endpoints.ts';
import { TriggerTimes, withLastChange } from './trigger-times.ts';

const at = (seconds: number) => `2026-01-01T00:00:${String(seconds).padStart(2, '0')}Z`;
const service = (seconds: number) =>
  ({ metadata: { name: 'web', creationTimestamp: at(seconds) }, spec: {} }) as Service;
const pod = (name: string, seconds?: number) =>
  ({
    metadata: { name },
    spec: {},
    status: {
      conditions: seconds === undefined ? [] : [{ type: 'Ready', status: 'True', lastTransitionTime: at(seconds) }],
    },
  }) as unknown as Pod;

test('a Service that is met for the first time has changed when it was made', () => {
  expect(new TriggerTimes().since('default/web', service(5), [pod('a', 9)])).toBe(at(5));
});

test.each<[string, Pod[], number, string | undefined]>([
  ['none, when nothing has changed', [pod('a', 9), pod('b')], 5, undefined],
  ['none, when a pod has gone', [pod('b')], 5, undefined],
  ['that of a pod that has become ready, or is no longer', [pod('a', 12), pod('b')], 5, at(12)],
  ['that of a pod that has come', [pod('a', 9), pod('b'), pod('c', 15)], 5, at(15)],
  ['the earliest of several', [pod('a', 30), pod('b', 20), pod('c', 25)], 5, at(20)],
  ['that of the Service, when it was made anew before', [pod('a', 30), pod('b')], 11, at(11)],
])('later the time of the change is %s', (_what, pods, made, time) => {
  const times = new TriggerTimes();
  times.since('default/web', service(5), [pod('a', 9), pod('b')]);
  expect(times.since('default/web', service(made), pods)).toBe(time);
  expect(times.since('default/web', service(made), pods)).toBeUndefined();
});

test('one that is forgotten is met for the first time again', () => {
  const times = new TriggerTimes();
  times.since('default/web', service(5), []);
  times.forget('default/web');
  expect(times.since('default/web', service(5), [])).toBe(at(5));
});

test('the annotation goes when there is no time', () => {
  expect(withLastChange({ a: 'b', [LAST_CHANGE]: at(1) }, undefined)).toEqual({ a: 'b' });
  expect(withLastChange(undefined, at(2))).toEqual({ [LAST_CHANGE]: at(2) });
});
