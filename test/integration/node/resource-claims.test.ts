/** Devices of claims: a driver behind its sockets, a kubelet, and containers on paper. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { Event } from '#api/core/v1/event.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { isReady } from '#api/core/v1/pod-conditions.ts';
import { ResourceClaim } from '#api/resource/v1/resource-claim.ts';
import { claimMetrics } from '#node/kubelet/server/duration-metrics.ts';
import { detectMachineFacts } from '#node/runtime/machine-facts.ts';
import { SimulatedRuntime } from '#node/runtime/simulated/simulated-runtime.ts';
import { type DraTestDriver, startDraTestDriver } from '../../node/dra-test-driver.ts';
import { type KubeletFixture, NODE, podOf, startKubeletFixture } from '../../node/kubelet-fixture.ts';
import { TEST_IMAGE } from '../../node/private-containerd.ts';
import { noMounts } from '../../node/simulated-kubelet.ts';
import { systemClock } from '../../node/system-clock.ts';

const DRIVER = 'gpu.example.com';
const PATIENCE = { timeout: 50_000 };
const directory = mkdtempSync(join(tmpdir(), 'kedge-claims-'));
const root = join(directory, 'kubelet');
const runtime = new SimulatedRuntime({ clock: systemClock, images: [TEST_IMAGE] });
const create = vi.spyOn(runtime, 'createContainer');
let fixture: KubeletFixture;
let driver: DraTestDriver | undefined;
beforeAll(async () => {
  const machine = { ...detectMachineFacts(), cgroups: { version: 'none' as const } };
  fixture = await startKubeletFixture({ directory, runtime }, { machine, mounter: noMounts });
});
afterAll(async () => {
  await driver?.close();
  await fixture.close();
  rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
});

const pod = (name: string, isWanted: (pod: Pod | undefined) => boolean) =>
  fixture.api.until<Pod>(`/api/v1/namespaces/default/pods/${name}`, isWanted);
const ready = (name: string) => pod(name, (now) => now !== undefined && isReady(now));
const end = async (name: string) => {
  await fixture.client.delete(Pod, { name, namespace: 'default' }, { gracePeriodSeconds: 1 });
  await pod(name, (now) => now === undefined);
};
const events = () => fixture.api.all<Event>('/api/v1/events').map(({ reason, message }) => `${reason} ${message}`);
const devicesOf = (name: string) => {
  const made = create.mock.calls.findLast(([, config]) => config.labels['io.kubernetes.pod.name'] === name);
  return made?.[1].cdiDevices;
};

/** As the scheduler leaves them: the claim given to the pods and kept for them, then the pods bound. */
async function bound(
  claim: string,
  names: readonly string[],
  { request = 'gpu', driver = DRIVER }: { request?: string; driver?: string } = {},
) {
  const spec = { nodeName: '', resourceClaims: [{ name: 'it', resourceClaimName: claim }] };
  const containers = [{ name: 'main', resources: { claims: [{ name: 'it', request }] } } as { name: string }];
  const pods = [];
  for (const name of names) pods.push(await fixture.client.create(Pod, podOf(name, { ...spec, containers })));
  const results = [{ request: 'gpu', driver, pool: 'pool', device: 'a' }];
  const reservedFor = pods.map(({ metadata }) => ({ resource: 'pods', name: metadata.name, uid: metadata.uid }));
  await fixture.client.create(ResourceClaim, {
    metadata: { name: claim, namespace: 'default' },
    spec: {},
    status: { allocation: { devices: { results } }, reservedFor },
  } as never);
  const binding = { type: 'merge', patch: { spec: { nodeName: NODE } } } as const;
  for (const name of names) await fixture.client.patch(Pod, { name, namespace: 'default' }, binding);
}

test('without its driver a pod has no sandbox, and an Event tells why; with it, the pod runs with its devices', async () => {
  await bound('early', ['early']);
  const why =
    'Failed to prepare dynamic resources: prepare dynamic resources: DRA driver gpu.example.com is not registered';
  await expect.poll(events, PATIENCE).toContain(`FailedPrepareDynamicResources ${why}`);
  expect(runtime.calls).not.toContain('RunPodSandbox default/early');
  driver = await startDraTestDriver({ name: DRIVER, root });
  await ready('early');
  const told = () => driver?.told;
  await expect.poll(told, PATIENCE).toEqual([expect.objectContaining({ pluginRegistered: true })]);
  expect(driver.calls).toEqual(['NodePrepareResources early']);
  expect(devicesOf('early')).toEqual([`${DRIVER}/gpu=early`, `${DRIVER}/all=early`]);
  await end('early');
  expect(driver.calls).toEqual(['NodePrepareResources early', 'NodeUnprepareResources early']);
});

test('a claim that pods share is prepared once, outlives the kubelet, and is given back after the last of them', async () => {
  driver?.calls.splice(0);
  await bound('shared', ['first', 'second'], { request: 'other' });
  await Promise.all(['first', 'second'].map(ready));
  expect(driver?.calls).toEqual(['NodePrepareResources shared']);
  expect(devicesOf('second')).toEqual([`${DRIVER}/all=shared`]);
  await end('first');
  await fixture.restart();
  await ready('second');
  expect(driver?.calls).toEqual(['NodePrepareResources shared']);
  await end('second');
  expect(driver?.calls).toEqual(['NodePrepareResources shared', 'NodeUnprepareResources shared']);
});

test('what a driver refuses is told in its words, and tried again', async () => {
  if (driver) driver.refusal = 'the device is on fire';
  await bound('burning', ['burning']);
  const why = 'NodePrepareResources failed for ResourceClaim burning: the device is on fire';
  const text = `FailedPrepareDynamicResources Failed to prepare dynamic resources: prepare dynamic resources: ${why}`;
  await expect.poll(events, PATIENCE).toContain(text);
  if (driver) driver.refusal = undefined;
  await ready('burning');
  await end('burning');
});

test('how well a device is reaches the pod that has it, whenever its driver says otherwise', async () => {
  const able = { name: 'able.example.com', root, knowsHealth: true };
  const telling = await startDraTestDriver(able);
  await bound('watched', ['watched'], { driver: able.name });
  await ready('watched');
  const healths = (now: Pod | undefined) =>
    now?.status?.containerStatuses?.[0]?.allocatedResourcesStatus?.flatMap(({ name, resources = [] }) =>
      resources.map(({ resourceID, health, message = '' }) => [name, resourceID, health, message].join(' ')),
    );
  const told = (a: string) => [
    `claim:it/gpu ${able.name}/gpu=watched ${a}`,
    `claim:it/gpu ${able.name}/all=watched Healthy `,
  ];
  const until = (wanted: string[]) => pod('watched', (now) => String(healths(now)) === String(wanted));
  telling.tell({ a: { health: 'UNHEALTHY', message: 'too hot' }, b: { health: 'HEALTHY' } });
  await until(told('Unhealthy too hot'));
  telling.tell({ a: { health: 'HEALTHY' }, b: { health: 'HEALTHY' } });
  await until(told('Healthy '));
  const counted = claimMetrics(fixture.kubelet.claims);
  const call = (driver: string) =>
    `dra_grpc_operations_duration_seconds_count{driver_name="${driver}",grpc_status_code="OK",method_name="/k8s.io.kubelet.pkg.apis.dra.v1.DRAPlugin/NodePrepareResources"} `;
  expect(counted).toContain(`${call(able.name)}1\n`);
  expect(counted).toContain(call(DRIVER));
  await end('watched');
  await telling.close();
});

test('a driver of the earlier version of the API is spoken to as it understands', async () => {
  const earlier = { name: 'old.example.com', root, service: 'v1beta1.DRAPlugin' } as const;
  const old = await startDraTestDriver({ ...earlier, versions: ['v1beta1.DRAPlugin'] });
  await bound('old', ['old'], { driver: earlier.name });
  await ready('old');
  expect(old.calls).toEqual(['NodePrepareResources old']);
  await end('old');
  expect(old.calls).toEqual(['NodePrepareResources old', 'NodeUnprepareResources old']);
  await old.close();
});

test('a driver that speaks no version of the API is told so', async () => {
  const none = await startDraTestDriver({ name: 'none.example.com', root, versions: ['v9.DRAPlugin'] });
  const error = `none of services supported by the plugin (["v9.DRAPlugin"]) are supported by the kubelet (["v1.DRAPlugin" "v1beta1.DRAPlugin"])`;
  await expect
    .poll(() => none.told[0], PATIENCE)
    .toMatchObject({ pluginRegistered: false, error: expect.stringContaining(error) });
  await none.close();
});
