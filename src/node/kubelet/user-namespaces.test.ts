import { expect, test } from 'vitest';
import { Event } from '#api/core/v1/event.ts';
import type { Pod } from '#api/core/v1/pod.ts';
import { RuntimeClass } from '#api/node/v1/runtime-class.ts';
import { IMAGE, withKubelet } from '../../../test/node/simulated-kubelet.ts';
import { userNamespaceRefusal } from './user-namespaces.ts';

const pod = (hostUsers?: boolean) => ({ spec: { hostUsers } }) as unknown as Pod;
const handler = (name: string, userNamespaces: boolean) => ({ name, userNamespaces, recursiveReadOnlyMounts: false });
const REFUSAL = "can't set `spec.hostUsers: false`,";

test.each([
  [undefined, '', [], undefined],
  [true, '', [], undefined],
  [false, '', [], `${REFUSAL} runtime does not support user namespaces: the handler "" is not known`],
  [false, '', [handler('', false)], `${REFUSAL} runtime does not support user namespaces`],
  [
    false,
    'kata',
    [handler('', true), handler('kata', false)],
    `${REFUSAL} RuntimeClass handler "kata" does not support user namespaces`,
  ],
])('hostUsers %s with the handler "%s"', (hostUsers, name, handlers, refusal) => {
  expect(userNamespaceRefusal(pod(hostUsers), name, handlers)).toBe(refusal);
});

test('a pod that asks for users of its own stays without a sandbox where the runtime has none, and is told why', () =>
  withKubelet({}, async ({ cluster, create, pod, runtime }) => {
    await create('own-users', { hostUsers: false, containers: [{ name: 'main', image: IMAGE }] });
    expect(pod('own-users')?.status?.phase).toBe('Pending');
    expect(runtime.calls.filter((call) => call.startsWith('RunPodSandbox'))).toEqual([]);
    const told = cluster.list(Event).filter(({ reason }) => reason === 'FailedCreatePodSandBox');
    expect(told.map(({ message }) => message)).toEqual([
      `Failed to create pod sandbox: ${REFUSAL} runtime does not support user namespaces: the handler "" is not known`,
    ]);
  }));

test('of a pod with a RuntimeClass its handler is asked after, by name', () =>
  withKubelet({}, async ({ cluster, create }) => {
    await cluster.create(RuntimeClass, { metadata: { name: 'strong' }, handler: 'kata' });
    await create('own-users', {
      hostUsers: false,
      runtimeClassName: 'strong',
      containers: [{ name: 'main', image: IMAGE }],
    });
    const told = cluster.list(Event).filter(({ reason }) => reason === 'FailedCreatePodSandBox');
    expect(told.map(({ message }) => message)).toEqual([
      `Failed to create pod sandbox: ${REFUSAL} RuntimeClass handler "kata" does not support user namespaces: the handler "kata" is not known`,
    ]);
  }));
