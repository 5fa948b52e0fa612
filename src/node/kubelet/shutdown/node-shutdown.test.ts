import { expect, test } from 'vitest';
import { Node } from '#api/core/v1/node.ts';
import { PriorityClass } from '#api/scheduling/v1/priority-class.ts';
import { DEFAULT_CONFIGURATION, type KubeletConfiguration } from '#api/kubelet-config/kubelet-configuration.ts';
import { type Fixture, withKubelet } from '../../../../test/node/simulated-kubelet.ts';
import { shutdownPeriods } from './shutdown-groups.ts';

const withShutdown = (configuration: Partial<KubeletConfiguration>, body: (fixture: Fixture) => Promise<void>) =>
  withKubelet(
    {
      programs: { main: { onTerm: 'ignore' } },
      kubelet: { configuration: { ...DEFAULT_CONFIGURATION, ...configuration } },
    },
    body,
  );
const ended = ({ pod }: Fixture, names: string[]) => names.filter((name) => pod(name)?.status?.phase === 'Failed');

test('pods end by priority, each group within its time, and the node says that it goes', () =>
  withShutdown(
    {
      shutdownGracePeriodByPodPriority: [
        { priority: 1000, shutdownGracePeriodSeconds: 20 },
        { priority: 0, shutdownGracePeriodSeconds: 10 },
      ],
    },
    async (fixture) => {
      const { cluster, create, kubelet, pod } = fixture;
      await create('low', { terminationGracePeriodSeconds: 600 });
      await cluster.create(PriorityClass, { metadata: { name: 'high' }, value: 5000 });
      await create('high', { priorityClassName: 'high', terminationGracePeriodSeconds: 5 });
      const done = kubelet().shutDown();
      await cluster.passes(9_000);
      const ready = cluster.get(Node, 'node-1')?.status?.conditions?.find(({ type }) => type === 'Ready');
      expect(ready).toMatchObject({ status: 'False', reason: 'KubeletNotReady', message: 'node is shutting down' });
      expect(fixture.runtime.calls.filter((call) => call.startsWith('StopContainer'))).toEqual([
        'StopContainer main 10',
      ]);
      await create('late');
      expect(pod('late')?.status).toMatchObject({
        phase: 'Failed',
        reason: 'NodeShutdown',
        message: 'Pod was rejected: Pod was rejected as the node is shutting down.',
      });
      await cluster.passes(20_000);
      await done;
      expect(fixture.runtime.calls.filter((call) => call.startsWith('StopContainer'))).toEqual([
        'StopContainer main 10',
        'StopContainer main 5',
      ]);
      expect(ended(fixture, ['low', 'high'])).toEqual(['low', 'high']);
      const message = 'Pod was terminated in response to imminent node shutdown.';
      expect(pod('high')?.status).toMatchObject({ reason: 'Terminated', message });
      expect(pod('high')?.status?.conditions).toContainEqual(
        expect.objectContaining({ type: 'DisruptionTarget', status: 'True', reason: 'TerminationByKubelet', message }),
      );
    },
  ));

test('two periods: what critical pods have is the end of the whole', () => {
  const both = { ...DEFAULT_CONFIGURATION, shutdownGracePeriod: '30s', shutdownGracePeriodCriticalPods: '10s' };
  expect(shutdownPeriods(both)).toEqual([
    { priority: 0, graceSeconds: 20 },
    { priority: 2_000_000_000, graceSeconds: 10 },
  ]);
  expect(shutdownPeriods(DEFAULT_CONFIGURATION)).toEqual([]);
});
