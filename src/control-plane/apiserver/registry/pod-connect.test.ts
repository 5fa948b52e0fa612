import { expect, test } from 'vitest';
import type { Pod } from '#api/core/v1/pod.ts';
import { containerOf } from './pod-connect.ts';
import { proxyTarget, refuseOwnAddress } from './proxy-target.ts';

const pod = (containers: string[], more: { init?: string[]; ephemeral?: string[]; annotations?: object } = {}) =>
  ({
    metadata: { name: 'p', annotations: more.annotations },
    spec: {
      containers: containers.map((name) => ({ name })),
      initContainers: more.init?.map((name) => ({ name })),
      ephemeralContainers: more.ephemeral?.map((name) => ({ name })),
    },
  }) as unknown as Pod;

test('the container is the one named, the annotated one, or the only one', () => {
  expect(containerOf(pod(['a']), '')).toBe('a');
  expect(containerOf(pod(['a', 'b']), 'b')).toBe('b');
  expect(containerOf(pod(['a'], { init: ['i'] }), 'i')).toBe('i');
  expect(containerOf(pod(['a'], { ephemeral: ['debug'] }), 'debug')).toBe('debug');
  const annotations = { 'kubectl.kubernetes.io/default-container': 'b' };
  expect(containerOf(pod(['a', 'b'], { annotations }), '')).toBe('b');
});

test('what cannot be told is refused with the choice', () => {
  expect(() => containerOf(pod(['a', 'b'], { init: ['i'] }), '')).toThrow(
    'a container name must be specified for pod p, choose one of: [a b] or one of the init containers: [i]',
  );
  expect(() => containerOf(pod(['a']), 'x')).toThrow('container x is not valid for pod p');
});

for (const [text, expected] of [
  ['web', { scheme: '', id: 'web', port: '' }],
  ['web:http', { scheme: '', id: 'web', port: 'http' }],
  ['https:web:8443', { scheme: 'https', id: 'web', port: '8443' }],
  ['https:web:', { scheme: 'https', id: 'web', port: '' }],
] as const) {
  test(`a proxy to ${text}`, () => expect(proxyTarget(text)).toEqual(expected));
}

test('a proxy by another scheme is refused', () => {
  expect(() => proxyTarget('ftp:web:21')).toThrow('invalid proxy request "ftp:web:21"');
  expect(() => proxyTarget('a:b:c:d')).toThrow('invalid proxy request');
});

for (const ip of [
  '127.0.0.1',
  '0.0.0.0',
  '169.254.169.254',
  '224.0.0.1',
  '::1',
  '::',
  '::ffff:127.0.0.1',
  'fe80::1',
  'x',
  '',
]) {
  test(`no proxy leads to ${JSON.stringify(ip)}`, () =>
    expect(() => refuseOwnAddress(ip)).toThrow('address not allowed'));
}

test('addresses of pods and nodes may be reached', () => {
  for (const ip of ['10.244.1.7', '172.30.0.11', 'fd00:10:244::7']) expect(() => refuseOwnAddress(ip)).not.toThrow();
});
