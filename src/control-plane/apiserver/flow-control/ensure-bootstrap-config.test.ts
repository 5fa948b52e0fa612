import { expect, test } from 'vitest';
import { FlowSchema } from '#api/flowcontrol/v1/flow-schema.ts';
import { PriorityLevelConfiguration } from '#api/flowcontrol/v1/priority-level-configuration.ts';
import { silentLog } from '#base/log.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { Client } from '#client/client.ts';
import { SharedInformers } from '#client/informers.ts';
import { type Transport, Unreachable } from '#client/transport.ts';
import { startCluster } from '#testing/cluster.ts';
import { fixedInformers } from '#testing/fixed-informers.ts';
import { keepBootstrapConfig } from './ensure-bootstrap-config.ts';

const ADMIN = { name: 'admin', groups: ['system:masters'] };

test('what is kept is looked at every minute without a request, and what is mandatory comes back', async () => {
  await using cluster = await startCluster();
  const { clock } = cluster;
  const { random, transportFor } = cluster.services;
  const stopping = new AbortController();
  const { signal } = stopping;
  const requests: string[] = [];
  const inner = transportFor(ADMIN);
  const transport: Transport = {
    request(request) {
      requests.push(request.method);
      return inner.request(request);
    },
    watch: (request) => inner.watch(request),
  };
  const informers = new SharedInformers({ client: cluster.client, clock, random, log: silentLog, signal });
  keepBootstrapConfig({ client: new Client(transport), informers, clock, log: silentLog, signal });
  await cluster.passes('10m');
  expect(requests).toEqual([]);
  await cluster.delete(PriorityLevelConfiguration, 'catch-all');
  await cluster.delete(FlowSchema, 'exempt');
  await cluster.delete(FlowSchema, 'probes');
  await cluster.passes('1m');
  expect(cluster.get(PriorityLevelConfiguration, 'catch-all')).toBeDefined();
  expect([cluster.get(FlowSchema, 'exempt'), cluster.get(FlowSchema, 'probes')]).toEqual([
    expect.anything(),
    undefined,
  ]);
  expect(requests).toEqual(['POST', 'POST']);
  stopping.abort();
});

test('what could not be put right is tried again a minute later, though nothing has changed', async () => {
  const clock = new ManualClock();
  const stopping = new AbortController();
  const { signal } = stopping;
  let tries = 0;
  const transport = {
    async request() {
      tries++;
      throw new Unreachable('the server is away');
    },
  };
  const client = new Client(transport as unknown as Transport);
  keepBootstrapConfig({ client, informers: fixedInformers(), clock, log: silentLog, signal });
  const triesInAMinute = async () => {
    const before = tries;
    clock.advance(60_000);
    await new Promise(setImmediate);
    return tries - before;
  };
  expect(await triesInAMinute()).toBeGreaterThan(0);
  expect(await triesInAMinute()).toBeGreaterThan(0);
  stopping.abort();
});
