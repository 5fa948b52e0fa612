import { expect, test } from 'vitest';
import type { Transport, UserInfo } from '#client/transport.ts';
import { startCluster } from '#testing/cluster.ts';
import { garbageCollector } from './garbage-collector/garbage-collector.ts';
import { serviceAccountController } from './service-account.ts';
import { startControllers } from './start-controllers.ts';

test('who follows every kind shares the informers of those who follow whole objects, in whatever order they stand', async () => {
  await using cluster = await startCluster();
  const watched: string[] = [];
  const transportFor = (user: UserInfo): Transport => {
    const inner = cluster.services.transportFor(user);
    return {
      request: (request) => inner.request(request),
      watch(request) {
        watched.push(request.path.replace(/\?.*/, ''));
        return inner.watch(request);
      },
    };
  };
  const controllers = [garbageCollector, serviceAccountController];
  const running = startControllers({ controllers, ...cluster.services, transportFor });
  cluster.add(running);
  await cluster.settles();
  expect(watched).toContain('/api/v1/serviceaccounts');
  expect(watched).toContain('/apis/apps/v1/deployments');
  expect(watched).toEqual([...new Set(watched)]);
  expect(running.stats().map(({ name }) => name)).toEqual([serviceAccountController.name, garbageCollector.name]);
});
