import { setImmediate as aTurn } from 'node:timers/promises';
import { expect, onTestFinished, test, vi } from 'vitest';
import { Unreachable } from '#client/transport.ts';
import type { ClusterApi } from './cluster-api.ts';
import { clusterLists } from './trace-findings.ts';

test('where nobody answers, that is told once, and no other question is left with an error that nobody takes', async () => {
  const unhandled = vi.fn();
  process.on('unhandledRejection', unhandled);
  onTestFinished(() => void process.off('unhandledRejection', unhandled));
  const refused = new Unreachable('https://127.0.0.1:6443: connect ECONNREFUSED 127.0.0.1:6443');
  const nobody = { namespace: 'default', get: () => Promise.reject(refused) } as unknown as ClusterApi;

  await expect(clusterLists(nobody, [], 0)).rejects.toBe(refused);
  await aTurn();
  expect(unhandled).not.toHaveBeenCalled();
});
