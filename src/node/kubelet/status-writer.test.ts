import { expect, test, vi } from 'vitest';
import type { Pod } from '#api/core/v1/pod.ts';
import type { PodStatus } from '#api/generated/schema.ts';
import { StatusError } from '#api/machinery/status.ts';
import { silentLog } from '#base/log.ts';
import { ManualClock } from '#base/manual-clock.ts';
import type { Client } from '#client/client.ts';
import { StatusWriter } from './status-writer.ts';

const pod = { metadata: { name: 'web', namespace: 'default', uid: 'u' }, status: {} } as unknown as Pod;

test('a status that the server refuses holds up none that comes after it', async () => {
  const [clock, asked]: [ManualClock, string[]] = [new ManualClock(), []];
  const patch = async (_kind: unknown, _at: unknown, { patch: { status } }: { patch: { status: PodStatus } }) => {
    asked.push(status.message ?? '');
    if (status.message === 'refused')
      throw StatusError.from({ code: 422, reason: 'Invalid', message: 'Pod "web" is invalid' });
    return { ...pod, metadata: { ...pod.metadata, resourceVersion: '7' } };
  };
  const writer = new StatusWriter({
    client: { patch } as unknown as Client,
    clock,
    log: silentLog,
    signal: new AbortController().signal,
    shownAs: () => pod,
  });
  writer.set(pod, { phase: 'Pending', message: 'refused' });
  await vi.waitFor(() => expect(clock.nextDueMs).toBeDefined(), { timeout: 20_000, interval: 1 });
  writer.set(pod, { phase: 'Running', message: 'good' });
  clock.advance(200);
  await writer.settled('u');
  expect(asked).toEqual(['refused', 'good']);
  expect(writer.statusOf('u')).toMatchObject({ phase: 'Running', message: 'good' });
});
