import { expect, test } from 'vitest';
import { ValidatingWebhookConfiguration } from '#api/admissionregistration/v1/validating-webhook-configuration.ts';
import { Pod } from '#api/core/v1/pod.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { ManualClock } from '#base/manual-clock.ts';
import type { Informers } from '#client/informer.ts';
import { fixedInformers } from '#testing/fixed-informers.ts';
import type { AdmissionRequest } from '../define-admission.ts';
import { followedHooks } from './hook-source.ts';

const configuration = (name: string): KubeObject =>
  ({
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingWebhookConfiguration',
    metadata: { name },
    webhooks: [{ name: `${name}.example.com` }],
  }) as unknown as KubeObject;
const request = { kind: Pod, namespace: 'a', name: 'x' } as unknown as AdmissionRequest;

test('the webhooks follow their configurations', () => {
  const informers = fixedInformers([configuration('b')]);
  const source = followedHooks(ValidatingWebhookConfiguration);
  const names = () => source.of(informers)?.map(({ webhook }) => webhook.name);
  expect(names()).toEqual(['b.example.com']);
  informers.put(configuration('a'));
  expect(names()).toEqual(['a.example.com', 'b.example.com']);
  expect(source.of(informers)).toBe(source.of(informers));
});

/** Informers that have heard of nothing until told. */
function starting() {
  const listeners = new Set<() => void>();
  const informer = {
    hasSynced: false,
    list: () => [configuration('a')],
    onChange: () => () => undefined,
    onProgress(listener: () => void) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
  const sync = () => {
    informer.hasSynced = true;
    for (const listener of [...listeners]) listener();
  };
  return { informers: { for: () => informer } as unknown as Informers, sync, listeners };
}

test('a request that comes before they are known waits for them', async () => {
  const { informers, sync, listeners } = starting();
  const clock = new ManualClock();
  const source = followedHooks(ValidatingWebhookConfiguration);
  expect(source.of(informers)).toBeUndefined();
  const waiting = source.whenSynced(request, { informers, clock });
  sync();
  expect((await waiting).map(({ webhook }) => webhook.name)).toEqual(['a.example.com']);
  expect(listeners.size).toBe(0);
  expect(clock.nextDueMs).toBeUndefined();
});

test('it is refused when they do not come', async () => {
  const { informers, listeners } = starting();
  const clock = new ManualClock();
  const waiting = followedHooks(ValidatingWebhookConfiguration).whenSynced(request, { informers, clock });
  clock.advance(10_000);
  await expect(waiting).rejects.toMatchObject({
    code: 403,
    message: 'pods "x" is forbidden: not yet ready to handle request',
  });
  expect(listeners.size).toBe(0);
});
