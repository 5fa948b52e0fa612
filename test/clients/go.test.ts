/**
 * Stock client-go (typed clients over protobuf, informers, apply configurations, dynamic, metadata and discovery clients, leader
 * election) and a controller-runtime manager with webhooks of its own. Needs Go and the Go module proxy.
 */
import { expect, test } from 'vitest';
import { startLiveCluster } from '../wire/live-cluster.ts';
import { folderOf, isAskedFor, MINUTES, outcomeOf } from './toolchain.ts';

test.skipIf(!isAskedFor)('the Go clients find what they expect', { timeout: 15 * MINUTES }, async () => {
  await using cluster = await startLiveCluster();
  const env = { ...process.env, KUBECONFIG: cluster.kubeconfig };
  const { isGood, text } = await outcomeOf('go', ['test', '-count=1', './...'], { cwd: folderOf('go'), env });
  expect(text).toMatch(/^ok\s/m);
  expect(isGood).toBe(true);
});
