import { expect, test } from 'vitest';
import { pod } from '#testing/cluster.ts';
import { requestsOf } from './pod-requests.ts';

const asks = (cpu: string) => ({ requests: { cpu } });
const main = { name: 'main', image: 'i', resources: asks('100m') };
const init = { name: 'init', image: 'i', resources: asks('900m') };
const sidecar = { ...init, name: 'sidecar', restartPolicy: 'Always', resources: asks('50m') };

test.each<[string, object, string | undefined, number]>([
  ['its containers ask for', { containers: [main] }, undefined, 100],
  ['its sidecars ask for as well', { containers: [main], initContainers: [init, sidecar] }, undefined, 150],
  ['one container asks for', { containers: [main], initContainers: [sidecar] }, 'sidecar', 50],
  ['it asks for itself', { containers: [main], resources: asks('300m') }, undefined, 300],
  [
    'it asks for itself, with its overhead',
    { containers: [main], resources: asks('300m'), overhead: { cpu: '10m' } },
    undefined,
    310,
  ],
  [
    'its containers ask for at their most, where it says nothing of this resource itself',
    {
      containers: [main],
      initContainers: [init],
      resources: { requests: { memory: '1Gi' } },
      overhead: { cpu: '10m' },
    },
    undefined,
    910,
  ],
])('of a pod counts what %s', (_what, spec, container, milli) => {
  const web = pod('web', spec as never) as never;
  expect(requestsOf([web], 'cpu', container)).toEqual(new Map([['web', milli]]));
});

test('a pod that says what it asks for, but not of this resource, cannot be reckoned with', () => {
  const spec = { containers: [{ name: 'main', image: 'i' }], resources: { requests: { memory: '1Gi' } } };
  const web = pod('web', spec as never) as never;
  expect(() => requestsOf([web], 'cpu', undefined)).toThrow('missing pod-level request for cpu in Pod web');
});
