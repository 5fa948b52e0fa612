import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Pod } from '#api/generated/schema.ts';
import { StatusError } from '#api/machinery/status.ts';
import { ResourceClaim } from '#api/resource/v1/resource-claim.ts';
import { silentLog } from '#base/log.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { Client } from '#client/client.ts';
import { DriverFailed } from '#node/runtime/csi/node-driver.ts';
import type { ClaimName, DeviceHealth, DraPlugin } from '#node/runtime/devices/dra-plugin.ts';
import { MemoryApi } from '../../../../test/node/memory-api.ts';
import { claimMetrics } from '../server/duration-metrics.ts';
import { ResourceClaims } from './resource-claims.ts';

const DRIVER = 'gpu.example.com';
const PATIENCE = { timeout: 20_000 };
let root: string;
let clock: ManualClock;
let api: MemoryApi;
let client: Client;
let claims: ResourceClaims;
let stop: AbortController;
/** Which claims each call was about. */
let calls: string[];
/** Tells the kubelet of the connection to the driver that was registered last. */
let connected: (isConnected: boolean) => void;
/** What the driver does instead of all that it was asked for. */
let answer: ((asked: readonly ClaimName[]) => Map<string, { error: string; devices: [] }>) | undefined;

/** What the driver says of its devices, one after the other; undefined: nothing, ever. */
let reports: DeviceHealth[][] | undefined;
let watched: number;
/** The driver says no more. */
let silence: (() => void) | undefined;
/** Pods whose devices have changed. */
let woken: string[];

const device = (...requestNames: string[]) => ({ requestNames, poolName: 'p', deviceName: 'd' });
const fake = (endpoint: string): DraPlugin => ({
  async prepare(asked) {
    calls.push(...asked.map(({ name }) => `prepare ${name}`));
    const devices = [
      { ...device('a'), cdiDeviceIds: [`${DRIVER}/gpu=a`] },
      { ...device('b'), cdiDeviceIds: [`${DRIVER}/gpu=b`] },
      { ...device(), cdiDeviceIds: [`${DRIVER}/gpu=all`] },
    ];
    return answer?.(asked) ?? new Map(asked.map(({ uid }) => [uid, { devices, error: '' }]));
  },
  async unprepare(asked) {
    calls.push(...asked.map(({ name }) => `unprepare ${name}`));
    return answer?.(asked) ?? new Map(asked.map(({ uid }) => [uid, { error: '' }]));
  },
  async *watchHealth(signal) {
    watched++;
    if (!reports) throw new DriverFailed('Unimplemented', 'nothing of the kind');
    for (const devices of reports) yield devices;
    await new Promise<void>((resolve) => {
      silence = resolve;
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
  },
  followConnection(onChange) {
    connected = onChange;
    onChange(true);
  },
  close: () => calls.push(`close ${endpoint}`),
});
const open = () => {
  stop = new AbortController();
  const { signal } = stop;
  const log = silentLog;
  const onHealth = (podUid: string) => woken.push(podUid);
  return ResourceClaims.open({ root, nodeName: 'node-1', client, clock, log, signal, connect: fake, onHealth });
};
const register = (more: object = {}) =>
  claims.plugins.register({ name: DRIVER, endpoint: '/run/gpu', supportedVersions: ['v1.DRAPlugin'], ...more });

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'kedge-claims-'));
  clock = new ManualClock();
  api = new MemoryApi();
  client = new Client(api);
  [calls, answer] = [[], undefined];
  [reports, watched, woken, silence] = [undefined, 0, [], undefined];
  claims = await open();
});
afterEach(async () => {
  stop.abort();
  await claims.close();
  rmSync(root, { recursive: true, force: true });
});

const podNamed = (name: string, claim: string, ...requests: string[]): Pod =>
  ({
    metadata: { name, namespace: 'default', uid: name },
    spec: {
      resourceClaims: [{ name: 'it', resourceClaimName: claim }],
      containers: [{ name: 'main', resources: { claims: requests.map((request) => ({ name: 'it', request })) } }],
    },
  }) as unknown as Pod;
const giveClaim = (name: string, ...pods: string[]) =>
  client.create(ResourceClaim, {
    metadata: { name, namespace: 'default' },
    status: {
      allocation: { devices: { results: [{ driver: DRIVER, pool: 'p', device: 'd', request: 'a' }] } },
      reservedFor: pods.map((uid) => ({ resource: 'pods', name: uid, uid })),
    },
  } as never);
const devicesOf = (pod: Pod) => pod.spec.containers.flatMap((container) => claims.cdiDevicesFor(pod, container));

test('pods that come together have their claim prepared once, and the last to go gives it back', async () => {
  await register();
  await giveClaim('shared', 'one', 'two');
  await Promise.all(['one', 'two'].map((name) => claims.prepare(podNamed(name, 'shared'))));
  await claims.unprepare('one');
  expect(calls).toEqual(['prepare shared']);
  await claims.unprepare('two');
  await claims.unprepare('two');
  expect(calls).toEqual(['prepare shared', 'unprepare shared']);
});

test('a container has the devices of its requests, and those that are for all', async () => {
  await register();
  await giveClaim('gpu', 'one');
  await claims.prepare(podNamed('one', 'gpu'));
  expect(devicesOf(podNamed('one', 'gpu', 'a'))).toEqual([`${DRIVER}/gpu=a`, `${DRIVER}/gpu=all`]);
  expect(devicesOf(podNamed('one', 'gpu', ''))).toEqual(['a', 'b', 'all'].map((name) => `${DRIVER}/gpu=${name}`));
  expect(devicesOf(podNamed('one', 'gpu'))).toEqual([]);
  expect(() => devicesOf(podNamed('one', 'other', 'a'))).toThrow(
    'internal error: unable to get claim info for ResourceClaim other in namespace default',
  );
});

test('what a container has of its claims is told with all that is prepared, and how well it is nobody knows', async () => {
  await register();
  await giveClaim('gpu', 'one');
  const pod = podNamed('one', 'gpu', 'a', '');
  const [main] = pod.spec.containers as [Pod['spec']['containers'][number]];
  expect([claims.claimsFor(pod, main), claims.healthOf(pod, main)]).toEqual([[], []]);
  await claims.prepare(pod);
  const told = claims.claimsFor(pod, main);
  expect(told).toMatchObject([{ claim_name: 'gpu', claim_namespace: 'default' }]);
  expect(told[0]?.claim_resources.map((each) => [each.driver_name, each.pool_name, each.cdi_devices])).toEqual(
    ['a', 'b', 'all'].map((name) => [DRIVER, 'p', [{ name: `${DRIVER}/gpu=${name}` }]]),
  );
  const unknown = (...names: string[]) =>
    names.map((name) => ({ resourceID: `${DRIVER}/gpu=${name}`, health: 'Unknown' }));
  expect(claims.healthOf(pod, main)).toEqual([
    { name: 'claim:it/a', resources: unknown('a', 'all') },
    { name: 'claim:it', resources: unknown('a', 'b', 'all') },
  ]);
});

test('a claim that has not been made yet is not told of', () => {
  const { metadata, spec } = podNamed('one', '', 'a');
  const pod = { metadata, spec: { ...spec, resourceClaims: [{ name: 'it', resourceClaimTemplateName: 't' }] } } as Pod;
  const [main] = pod.spec.containers as [Pod['spec']['containers'][number]];
  expect([claims.claimsFor(pod, main), claims.healthOf(pod, main)]).toEqual([[], []]);
});

test('a pod that may not use a claim, or whose driver is away, leaves nothing to be given back', async () => {
  const prepare = () => claims.prepare(podNamed('one', 'gpu'));
  const failed = 'prepare dynamic resources: ';
  await expect(prepare()).rejects.toThrow(`${failed}fetch ResourceClaim gpu: resourceclaims "gpu" not found`);
  await giveClaim('gpu', 'one');
  await expect(prepare()).rejects.toThrow(`${failed}DRA driver gpu.example.com is not registered`);
  await expect(claims.prepare(podNamed('two', 'gpu'))).rejects.toThrow(`${failed}pod two (two) is not allowed to use`);
  await register();
  await Promise.all(['one', 'two'].map((uid) => claims.unprepare(uid)));
  expect(calls).toEqual([]);
});

const failures: { what: string; act: NonNullable<typeof answer>; message: string }[] = [
  {
    what: 'fails',
    act: ([asked]) => new Map([[asked?.uid ?? '', { error: 'on fire', devices: [] }]]),
    message: 'NodePrepareResources failed for ResourceClaim gpu: on fire',
  },
  { what: 'says nothing of a claim', act: () => new Map(), message: 'NodePrepareResources skipped 1 ResourceClaims' },
  {
    what: 'speaks of another claim',
    act: () => new Map([['x', { error: '', devices: [] }]]),
    message: 'NodePrepareResources returned result for unknown claim UID x',
  },
  {
    what: 'does not answer',
    act: () => {
      throw new DriverFailed('DeadlineExceeded', 'too late');
    },
    message: 'NodePrepareResources: rpc error: code = DeadlineExceeded desc = too late',
  },
];
for (const { what, act, message } of failures)
  test(`a driver that ${what} is asked again, also to give back`, async () => {
    await register();
    await giveClaim('gpu', 'one');
    answer = act;
    await expect(claims.prepare(podNamed('one', 'gpu'))).rejects.toThrow(`prepare dynamic resources: ${message}`);
    const unprepare = `unprepare dynamic resources: ${message.replace('Prepare', 'Unprepare')}`;
    await expect(claims.unprepare('one')).rejects.toThrow(unprepare);
    answer = undefined;
    await claims.prepare(podNamed('one', 'gpu'));
    await claims.unprepare('one');
    expect(calls).toEqual(['prepare gpu', 'unprepare gpu', 'prepare gpu', 'unprepare gpu']);
  });

test('the next kubelet knows who uses what, and gives back within a minute what ended without it', async () => {
  await register();
  for (const name of ['one', 'two']) {
    await giveClaim(name, name);
    await claims.prepare(podNamed(name, name));
  }
  await claims.close();
  claims = await open();
  await register();
  expect(devicesOf(podNamed('two', 'two', 'a'))).toEqual([`${DRIVER}/gpu=a`, `${DRIVER}/gpu=all`]);
  calls = [];
  claims.follow((podUid) => podUid === 'one');
  clock.advance(60_000);
  await vi.waitFor(() => expect(calls).toEqual(['unprepare one']), PATIENCE);
  // The machine may have begun anew: what a new sandbox uses is prepared again.
  await claims.prepare(podNamed('two', 'two'));
  expect(calls).toEqual(['unprepare one', 'prepare two']);
});

test('a claim that was made anew waits until the old one of its name is given back', async () => {
  await register();
  await giveClaim('gpu', 'one');
  await claims.prepare(podNamed('one', 'gpu'));
  await client.delete(ResourceClaim, { name: 'gpu', namespace: 'default' });
  await giveClaim('gpu', 'two');
  await expect(claims.prepare(podNamed('two', 'gpu'))).rejects.toThrow(
    /old ResourceClaim with same name gpu and different UID uid-1 still exists \(previous pod force-deleted\?!\)$/,
  );
  await claims.unprepare('one');
  await claims.prepare(podNamed('two', 'gpu'));
});

const said = (health: DeviceHealth['health'], message = '', countsForSeconds = 0): DeviceHealth[] => [
  { poolName: 'p', deviceName: 'd', health, message, countsForSeconds },
];
const healthsOf = (name: string) => {
  const pod = podNamed(name, 'gpu', 'a');
  const [status] = claims.healthOf(pod, pod.spec.containers[0]!);
  return [...new Set((status?.resources ?? []).map(({ health, message }) => `${health} ${message ?? ''}`))];
};
const using = async (...names: string[]) => {
  await register();
  await giveClaim('gpu', ...names);
  for (const name of names) await claims.prepare(podNamed(name, 'gpu'));
};

test('how well devices are is told as their driver says it, as long as that counts, and the pods that have them hear', async () => {
  reports = [said('Healthy'), said('Unhealthy', 'too hot', 60), said('Unhealthy', 'too hot', 60)];
  await using('one', 'two');
  await vi.waitFor(() => expect(healthsOf('one')).toEqual(['Unhealthy too hot']), PATIENCE);
  clock.advance(60_000);
  expect(healthsOf('two')).toEqual(['Unhealthy too hot']);
  clock.advance(1);
  expect(healthsOf('two')).toEqual(['Unknown ']);
  const now = vi.spyOn(clock, 'now').mockReturnValue(clock.now() - 3_600_000); // the machine's clock was set back
  expect(healthsOf('two')).toEqual(['Unknown ']);
  now.mockRestore();
});

test('pods are told once of what changes, and of what nobody says any more', async () => {
  await using('one', 'two');
  reports = [said('Unhealthy'), said('Unhealthy'), said('Healthy'), []];
  const unregister = await register({ endpoint: '/run/newer' });
  await vi.waitFor(() => expect(healthsOf('one')).toEqual(['Healthy ']), PATIENCE);
  expect(woken).toEqual(['one', 'two', 'one', 'two']);
  await unregister();
  expect(woken.slice(4)).toEqual(['one', 'two']);
  expect(healthsOf('one')).toEqual(['Unknown ']);
});

test('a device that its driver leaves out is unknown when what was said of it counts no more', async () => {
  reports = [said('Healthy')];
  await using('one');
  await vi.waitFor(() => expect(healthsOf('one')).toEqual(['Healthy ']), PATIENCE);
  woken = [];
  reports = [[]];
  await register({ endpoint: '/run/forgetful' });
  await vi.waitFor(() => expect(watched).toBe(2), PATIENCE);
  expect([healthsOf('one'), woken]).toEqual([['Healthy '], []]);
  clock.advance(30_001);
  await register({ endpoint: '/run/forgetful-too' });
  await vi.waitFor(() => expect(woken).toEqual(['one']), PATIENCE);
});

test('a plugin that goes takes nothing of what another of its driver says', async () => {
  reports = [said('Healthy')];
  await using('one');
  await vi.waitFor(() => expect(healthsOf('one')).toEqual(['Healthy ']), PATIENCE);
  reports = [said('Unhealthy')];
  const unregister = await register({ endpoint: '/run/newer' });
  await vi.waitFor(() => expect(healthsOf('one')).toEqual(['Unhealthy ']), PATIENCE);
  await unregister();
  expect(healthsOf('one')).toEqual(['Unhealthy ']);
});

test('pods hear of a device that is as it was before nothing was said of it for long', async () => {
  reports = [said('Healthy')];
  await using('one');
  await vi.waitFor(() => expect(healthsOf('one')).toEqual(['Healthy ']), PATIENCE);
  clock.advance(30_001);
  expect(healthsOf('one')).toEqual(['Unknown ']);
  woken = [];
  await register({ endpoint: '/run/newer' });
  await vi.waitFor(() => expect(woken).toEqual(['one']), PATIENCE);
});

test('what is said too long is cut', async () => {
  reports = [said('Unhealthy', 'x'.repeat(1025))];
  await using('one');
  await vi.waitFor(() => expect(healthsOf('one')).toEqual([`Unhealthy ${'x'.repeat(1021)}...`]), PATIENCE);
});

test('the next kubelet knows how well devices are until it hears again', async () => {
  reports = [said('Unhealthy')];
  await using('one');
  await vi.waitFor(() => expect(healthsOf('one')).toEqual(['Unhealthy ']), PATIENCE);
  await claims.close();
  reports = undefined;
  claims = await open();
  expect(healthsOf('one')).toEqual(['Unhealthy ']);
});

test('a driver that says no more is asked again after five seconds; one that never says anything is not', async () => {
  await register();
  reports = [said('Healthy')];
  await register({ endpoint: '/run/able' });
  await vi.waitFor(() => expect(silence).toBeDefined(), PATIENCE);
  expect(watched).toBe(2);
  silence?.();
  await vi.waitFor(() => expect(clock.nextDueMs).toBe(clock.now() + 5_000), PATIENCE);
  clock.advance(5_000);
  await vi.waitFor(() => expect(watched).toBe(3), PATIENCE);
});

test('how long claims take is counted for pods, and how many are ready', async () => {
  await expect(claims.prepare(podNamed('one', 'gpu'))).rejects.toThrow();
  await using('one');
  await claims.prepare({ metadata: { name: 'none', uid: 'none' }, spec: {} } as Pod);
  const inUse = () =>
    claimMetrics(claims)
      .split('\n')
      .filter((line) => line.startsWith('dra_resource_claims_in_use'));
  expect(inUse()).toEqual([
    'dra_resource_claims_in_use{driver_name="<any>"} 1',
    `dra_resource_claims_in_use{driver_name="${DRIVER}"} 1`,
  ]);
  await claims.unprepare('one');
  expect(inUse()).toEqual(['dra_resource_claims_in_use{driver_name="<any>"} 0']);
  expect(claimMetrics(claims).match(/^dra_operations_duration_seconds_count.*$/gm)).toEqual([
    'dra_operations_duration_seconds_count{is_error="true",operation_name="PrepareResources"} 1',
    'dra_operations_duration_seconds_count{is_error="false",operation_name="PrepareResources"} 2',
    'dra_operations_duration_seconds_count{is_error="false",operation_name="UnprepareResources"} 1',
  ]);
});

const deleted = (): string[] => {
  const found: string[] = [];
  api.answers.set('DELETE resourceslices', (_body, { query }) => {
    found.push(query.get('fieldSelector') ?? '');
    return {};
  });
  return found;
};

test('ResourceSlices go when a kubelet begins, and with a driver that stays away for half a minute', async () => {
  const found = deleted();
  claims.plugins.start();
  await vi.waitFor(() => expect(found).toEqual(['spec.nodeName=node-1']), PATIENCE);
  const unregister = await register();
  connected(false);
  clock.advance(29_000);
  connected(true);
  clock.advance(60_000);
  connected(false);
  clock.advance(29_000);
  await unregister();
  expect(found).toHaveLength(1);
  clock.advance(1_000);
  await vi.waitFor(() => expect(found.slice(1)).toEqual([`spec.nodeName=node-1,spec.driver=${DRIVER}`]), PATIENCE);
});

test('ResourceSlices that cannot be deleted are tried again, unless their driver is back', async () => {
  let tries = 0;
  api.answers.set('DELETE resourceslices', () => {
    tries++;
    throw new StatusError('Forbidden', 'not yet');
  });
  await register();
  connected(false);
  clock.advance(30_000);
  await vi.waitFor(() => expect([tries, clock.nextDueMs]).toEqual([1, clock.now() + 1_000]), PATIENCE);
  clock.advance(1_000);
  await vi.waitFor(() => expect([tries, clock.nextDueMs]).toEqual([2, clock.now() + 2_000]), PATIENCE);
  connected(true);
  clock.advance(2_000);
  await vi.waitFor(() => expect([tries, clock.nextDueMs]).toEqual([2, undefined]), PATIENCE);
});

const REFUSED = `invalid supported gRPC versions of DRA driver plugin ${DRIVER} at endpoint /run/gpu: `;
test('who announces itself badly is told so', async () => {
  await expect(register({ supportedVersions: [] })).rejects.toThrow(
    `${REFUSED}empty list of supported gRPC services (aka supported versions)`,
  );
  await expect(register({ supportedVersions: ['v9', '1.0'] })).rejects.toThrow(
    `${REFUSED}none of services supported by the plugin (["v9" "1.0"]) are supported by the kubelet (["v1.DRAPlugin" "v1beta1.DRAPlugin"])`,
  );
  await expect(register({ name: 'a,spec.nodeName=b' })).rejects.toThrow('invalid DRA driver name');
  await register();
  await expect(register()).rejects.toThrow(`endpoint /run/gpu already registered for DRA driver plugin ${DRIVER}`);
});

test('of two plugins of a driver the newer that is connected is asked, and the other when it goes', async () => {
  const unregister = await register({ endpoint: '/run/old' });
  const newer = await register({ endpoint: '/run/new' });
  const old = claims.plugins.of(DRIVER);
  connected(false);
  expect(claims.plugins.of(DRIVER)).not.toBe(old);
  await newer();
  await unregister();
  expect(calls).toEqual(['close /run/new', 'close /run/old']);
  expect(() => claims.plugins.of(DRIVER)).toThrow('DRA driver gpu.example.com is not registered');
});
