import { expect, test } from 'vitest';
import { Event } from '#api/core/v1/event.ts';
import { isReady } from '#api/core/v1/pod-conditions.ts';
import type { ContainerStatus as ApiContainerStatus, Pod } from '#api/generated/schema.ts';
import type { ContainerStatus } from '#node/runtime/container.ts';
import { IMAGE, withKubelet } from '../../../test/node/simulated-kubelet.ts';
import { phaseOf } from './pod-phase.ts';
import { containersToReset, removedForAll } from './restart-all.ts';
import { CONTAINER_NAME } from './runtime-labels.ts';
import { emptyRuntimePod } from './runtime-pods.ts';

const all = {
  restartPolicy: 'Never' as const,
  restartPolicyRules: [{ action: 'RestartAllContainers', exitCodes: { operator: 'In' as const, values: [88] } }],
};
const conditionOf = (pod: Pod | undefined) =>
  pod?.status?.conditions?.find(({ type }) => type === 'AllContainersRestarting');
const statusOf = (pod: Pod | undefined, name: string) =>
  [...(pod?.status?.initContainerStatuses ?? []), ...(pod?.status?.containerStatuses ?? [])].find(
    (status) => status.name === name,
  );

test('a container whose rule says so has all of its pod run again from the first, in the same sandbox', () => {
  let code = 88;
  const asks = () => ({ runsForMs: 5_000, exitCode: code });
  const programs = new Proxy(
    {},
    { get: (_target, name) => (name === 'asks' ? asks() : name === 'first' ? { runsForMs: 0 } : {}) },
  );
  return withKubelet({ programs }, async ({ cluster, create, pod, runtime }) => {
    await create('together', {
      restartPolicy: 'Never',
      initContainers: [{ name: 'first', image: IMAGE }],
      containers: [
        { name: 'asks', image: IMAGE, ...all },
        { name: 'beside', image: IMAGE },
      ],
    });
    expect(isReady(pod('together')!)).toBe(true);
    expect(conditionOf(pod('together'))?.status).toBe('False');
    await cluster.passes(1_000);
    code = 7; // of the second run
    runtime.calls.length = 0;
    await cluster.passes(5_000);
    // One after the other are removed first; then from the beginning.
    expect(runtime.calls).toEqual([
      'StopContainer beside 0',
      'CreateContainer first',
      'StartContainer first',
      'CreateContainer asks',
      'StartContainer asks',
      'CreateContainer beside',
      'StartContainer beside',
    ]);
    expect(pod('together')?.status?.phase).toBe('Running');
    const removed = {
      reason: 'RestartingAllContainers',
      message: 'The container is removed because RestartAllContainers in place',
      exitCode: 137,
    };
    for (const name of ['asks', 'beside'])
      expect(statusOf(pod('together'), name)).toMatchObject({
        state: { running: {} },
        restartCount: 1,
        lastState: { terminated: removed },
      });
    expect(statusOf(pod('together'), 'first')).toMatchObject({
      restartCount: 1,
      state: { terminated: { exitCode: 0 } },
    });
    expect(conditionOf(pod('together'))?.status).toBe('False');
    expect(cluster.list(Event).map(({ message }) => message)).toContain('killing');
    await cluster.passes(60_000);
    expect(statusOf(pod('together'), 'asks')?.state?.terminated?.exitCode).toBe(7);
    expect(pod('together')?.status?.phase).toBe('Running'); // the other one runs on
  });
});

test('those that only share the fate are removed first, the one that asked last: else nobody would ask for the rest', () => {
  const container = (name: string) => ({ name, image: IMAGE });
  const spec = {
    initContainers: [container('first')],
    containers: [{ ...container('asks'), ...all }, container('beside')],
  };
  const run = (name: string, attempt: number, exitCode: number, state = 'CONTAINER_EXITED') =>
    ({ id: `${name}${attempt}`, state, exitCode, labels: { [CONTAINER_NAME]: name } }) as unknown as ContainerStatus;
  const [asked, first] = [run('asks', 1, 88), run('first', 0, 0)];
  const beside = run('beside', 0, 0, 'CONTAINER_RUNNING');
  const containers = [asked, run('asks', 0, 7), first, beside];
  const ids = (list: ContainerStatus[]) =>
    containersToReset({ spec } as Pod, { ...emptyRuntimePod('uid'), containers: list }).map(({ status }) => status.id);
  expect(ids(containers)).toEqual(['asks0', 'beside0', 'first0', 'asks1']);
  expect(ids([run('asks', 2, 0, 'CONTAINER_RUNNING'), ...containers])).toEqual([]); // it runs again already
});

test('a pod that has ended after it began again has ended', () => {
  const spec = { restartPolicy: 'Never', containers: [{ name: 'asks', image: IMAGE, ...all }] };
  const phaseWith = (state: object) =>
    phaseOf({ spec } as Pod, {
      init: [],
      regular: [{ name: 'asks', state, lastState: removedForAll.lastState } as ApiContainerStatus],
      isTerminal: false,
    });
  expect(phaseWith({ terminated: { exitCode: 0 } })).toBe('Succeeded');
  expect(phaseWith({ terminated: { exitCode: 7 } })).toBe('Failed');
  expect(phaseWith({ terminated: { exitCode: 88 } })).toBe('Running');
  expect(phaseWith(removedForAll.state)).toBe('Running');
});

test('a pod none of whose rules says so has no such condition', () =>
  withKubelet({}, async ({ create, pod }) => {
    await create('ordinary');
    expect(conditionOf(pod('ordinary'))).toBeUndefined();
  }));
