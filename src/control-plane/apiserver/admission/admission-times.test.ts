import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { Pod } from '#api/core/v1/pod.ts';
import { badRequest } from '#api/machinery/status.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { seededRandom } from '#base/random.ts';
import { pod, withoutNetwork } from '#testing/admission-fixture.ts';
import { fixedInformers } from '#testing/fixed-informers.ts';
import { noOpinion } from '../authorization/authorizer.ts';
import type { AdmissionTimes } from './admission-times.ts';
import { AdmissionChain } from './chain.ts';
import { type AdmissionRequest, type AdmissionServices, defineAdmission } from './define-admission.ts';

const clock = new ManualClock();
const slow = (name: string, ms: number, isRefusing = false) =>
  defineAdmission({
    name,
    on: { resources: Pod, verbs: ['create'] },
    mutate(object) {
      clock.advance(ms);
      if (isRefusing) throw badRequest('no');
      return object;
    },
  });

const informers = fixedInformers([]);
const services: AdmissionServices = {
  informers,
  live: informers.live,
  authorizer: { authorize: () => noOpinion() },
  clock,
  random: seededRandom(1),
  ...withoutNetwork,
};
const request = { verb: 'create', kind: Pod, subresource: '', object: pod() } as unknown as AdmissionRequest;

async function said(times: AdmissionTimes): Promise<string[]> {
  const registry = new Registry();
  times.registerMetrics(registry);
  return (await registry.metrics())
    .split('\n')
    .filter((line) => /_(count|sum)/.test(line))
    .map((line) => line.replace('apiserver_admission_', '').replace('_admission_duration_seconds', ''));
}

test('each plugin and all together are timed, the one that refuses apart', async () => {
  const chain = new AdmissionChain([slow('First', 30), slow('Second', 200, true), slow('Third', 1)], services);
  await expect(async () => chain.mutate(request)).rejects.toThrow('no');
  expect(await said(chain.times)).toEqual([
    'step_sum{type="admit",operation="CREATE",rejected="true"} 0.23',
    'step_count{type="admit",operation="CREATE",rejected="true"} 1',
    'controller_sum{name="First",type="admit",operation="CREATE",rejected="false"} 0.03',
    'controller_count{name="First",type="admit",operation="CREATE",rejected="false"} 1',
    'controller_sum{name="Second",type="admit",operation="CREATE",rejected="true"} 0.2',
    'controller_count{name="Second",type="admit",operation="CREATE",rejected="true"} 1',
  ]);
});

test('a request asks for no series: they are there from the first one of its sort', async () => {
  const chain = new AdmissionChain([slow('First', 1)], services);
  await chain.mutate(request);
  const made: string[] = [];
  chain.times.plugin = (name) => {
    made.push(name);
    throw new Error('made anew');
  };
  for (let n = 0; n < 100; n++) await chain.mutate(request);
  expect(made).toEqual([]);
  expect((await said(chain.times))[1]).toBe('step_count{type="admit",operation="CREATE",rejected="false"} 101');
});
