/** Pods with users of their own, from what they say to what the runtime is told. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { Event } from '#api/core/v1/event.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { RuntimeClass } from '#api/node/v1/runtime-class.ts';
import { type Fixture, IMAGE, withKubelet } from '../../../../test/node/simulated-kubelet.ts';
import { userNamespaceMetrics } from '../server/metrics.ts';

const UNIT = 65_536;
const handler = (name: string, userNamespaces = true) => ({ name, userNamespaces, recursiveReadOnlyMounts: false });
const REFUSAL = "Failed to create pod sandbox: can't set `spec.hostUsers: false`,";
const containers = [{ name: 'main', image: IMAGE, volumeMounts: [{ name: 'data', mountPath: 'data' }] }];
const volumes = [{ name: 'data', emptyDir: {} }];
const own = { hostUsers: false, containers, volumes };

const told = ({ cluster }: Fixture) =>
  cluster.list(Event).flatMap(({ reason, message }) => (reason === 'FailedCreatePodSandBox' ? [message] : []));
const counts = ({ kubelet }: Fixture) =>
  [...userNamespaceMetrics(kubelet()).matchAll(/^kubelet_started_user_namespaced_pods_(\w+) (\d+)$/gm)].map(
    ([, name, value]) => `${name} ${value}`,
  );

test('without a runtime that has them a pod stays without a sandbox, and is told why', () =>
  withKubelet({}, async (fixture) => {
    await fixture.create('own', own);
    expect(fixture.pod('own')?.status?.phase).toBe('Pending');
    expect(fixture.runtime.calls.filter((call) => call.startsWith('RunPodSandbox'))).toEqual([]);
    expect(told(fixture)).toEqual([`${REFUSAL} runtime does not support user namespaces: the handler "" is not known`]);
    expect(counts(fixture)).toEqual(['errors_total 1', 'total 1']);
  }));

test('of a pod with a RuntimeClass its handler is asked after, by name', () =>
  withKubelet({ handlers: [handler(''), handler('kata', false)] }, async (fixture) => {
    await fixture.cluster.create(RuntimeClass, { metadata: { name: 'strong' }, handler: 'kata' });
    await fixture.create('own', { ...own, runtimeClassName: 'strong' });
    expect(told(fixture)).toEqual([`${REFUSAL} RuntimeClass handler "kata" does not support user namespaces`]);
  }));

test('the runtime is told which users a pod has, for its sandbox, its containers and what they mount', () =>
  withKubelet({ handlers: [handler('')] }, async (fixture) => {
    const { runtime, create, root } = fixture;
    const [sandbox, container] = [vi.spyOn(runtime, 'runPodSandbox'), vi.spyOn(runtime, 'createContainer')];
    await create('own', own);
    await create('common', { containers, volumes });
    const [users, node] = sandbox.mock.calls.map(([{ linux }]) => linux.securityContext.namespaceOptions.usernsOptions);
    const first = users?.uids[0]?.hostId ?? 0;
    const mappings = [{ hostId: first, containerId: 0, length: UNIT }];
    expect(first).toBeGreaterThanOrEqual(UNIT);
    expect(first % UNIT).toBe(0);
    expect([users, node]).toEqual([
      { mode: 'POD', uids: mappings, gids: mappings },
      { mode: 'NODE', uids: [], gids: [] },
    ]);
    const [ownMain, commonMain] = container.mock.calls.map(([, config]) => config);
    expect(ownMain?.linux.securityContext.namespaceOptions.usernsOptions).toEqual(users);
    expect(commonMain?.linux.securityContext.namespaceOptions.usernsOptions).toEqual(node);
    const mounted = (config = ownMain) =>
      config?.mounts.map(({ containerPath, uidMappings, gidMappings }) => [containerPath, uidMappings, gidMappings]);
    const paths = ['/data', '/etc/hosts', '/dev/termination-log'];
    expect(mounted()).toEqual(paths.map((path) => [path, mappings, mappings]));
    expect(mounted(commonMain)).toEqual(paths.map((path) => [path, undefined, undefined]));
    const uid = fixture.pod('own')?.metadata.uid ?? '';
    const kept = JSON.parse(readFileSync(join(root, 'pods', uid, 'userns'), 'utf8'));
    expect(kept).toEqual({ uidMappings: mappings, gidMappings: mappings });
    expect(existsSync(join(root, 'pods', fixture.pod('common')?.metadata.uid ?? '', 'userns'))).toBe(false);
    expect(counts(fixture)).toEqual(['errors_total 0', 'total 1']);
  }));

test('files of images in a volume stay the node’s', () =>
  withKubelet({ handlers: [handler('')] }, async ({ runtime, create }) => {
    const container = vi.spyOn(runtime, 'createContainer');
    await create('own', { ...own, volumes: [{ name: 'data', image: { reference: IMAGE } }] });
    const mounts = container.mock.calls[0]?.[1].mounts ?? [];
    expect(mounts.map(({ containerPath, uidMappings }) => [containerPath, uidMappings?.length])).toEqual([
      ['/data', undefined],
      ['/etc/hosts', 1],
      ['/dev/termination-log', 1],
    ]);
  }));

test('a pod keeps its users over the kubelet’s life and its sandbox’s, and they are free when it has gone', () =>
  withKubelet(
    { handlers: [handler('')], kubelet: { maxPods: 1, idRange: { first: UNIT, length: UNIT } } },
    async (fixture) => {
      const { cluster, runtime, create, restart } = fixture;
      const [sandbox, container] = [vi.spyOn(runtime, 'runPodSandbox'), vi.spyOn(runtime, 'createContainer')];
      await create('first', own);
      await restart();
      await cluster.settles();
      runtime.exit(runtime.newest('main')?.id ?? '', 1);
      await cluster.settles();
      const [{ id = '' } = {}] = await runtime.listPodSandboxes();
      await runtime.stopPodSandbox(id);
      await cluster.clock.advance(60_000);
      await cluster.delete(Pod, 'default/first');
      await cluster.clock.advance(60_000);
      expect(fixture.pod('first')).toBeUndefined();
      await create('second', own);
      expect(fixture.pod('second')?.status?.phase).toBe('Running');
      const given = [
        ...sandbox.mock.calls.map(([{ linux }]) => linux.securityContext),
        ...container.mock.calls.map(([, { linux }]) => linux.securityContext),
      ].map(({ namespaceOptions }) => namespaceOptions.usernsOptions?.uids[0]?.hostId);
      expect(sandbox).toHaveBeenCalledTimes(3);
      expect(new Set(given)).toEqual(new Set([UNIT]));
    },
  ));
