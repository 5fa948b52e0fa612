import { describe, expect, test } from 'vitest';
import { Event } from '#api/core/v1/event.ts';
import type { Node } from '#api/core/v1/node.ts';
import { DECLARED_FEATURES } from '#api/core/v1/node-features.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { Service } from '#api/core/v1/service.ts';
import { admissionFixture, alice, inA, object, pod } from '#testing/admission-fixture.ts';
import type { ChosenPlugins } from './chosen-plugins.ts';

const withPlugin = (name: string, configuration: ChosenPlugins['configuration'] = {}) =>
  admissionFixture({ enabled: [name], configuration });
const annotated = (annotations: Record<string, string>) =>
  object('Namespace', 'a', { metadata: { name: 'a', annotations }, status: { phase: 'Active' } });

describe('AlwaysPullImages', () => {
  const { admitPod } = withPlugin('AlwaysPullImages');
  const [kept, changed] = ['i', 'j'].map((image) =>
    pod({ containers: [{ name: 'c', image, imagePullPolicy: 'Never' }] }),
  );

  test('new pods pull every image, also those of volumes', async () => {
    const { spec } = await admitPod(pod({ volumes: [{ name: 'v', image: { reference: 'r', pullPolicy: 'Never' } }] }));
    expect(spec.containers[0]?.imagePullPolicy).toBe('Always');
    expect(spec.volumes?.[0]?.image).toEqual({ reference: 'r', pullPolicy: 'Always' });
  });

  test('an update that brings no image changes nothing', async () => {
    const updated = { verb: 'update', old: kept } as const;
    expect((await admitPod(kept!, updated)).spec.containers[0]?.imagePullPolicy).toBe('Never');
    expect((await admitPod(changed!, updated)).spec.containers[0]?.imagePullPolicy).toBe('Always');
  });

  test('is off unless asked for', async () => {
    expect((await admissionFixture().admitPod(kept!)).spec.containers[0]?.imagePullPolicy).toBe('Never');
  });
});

test('DenyServiceExternalIPs lets addresses go, not come', async () => {
  const { admit } = withPlugin('DenyServiceExternalIPs');
  const service = (...externalIPs: string[]) => inA('Service', 'web', { spec: { externalIPs } } as object) as Service;
  const refusal = 'services "web" is forbidden: Use of external IPs is denied by admission control';
  await expect(admit(Service, { object: service('1.2.3.4') })).rejects.toMatchObject({ code: 403, message: refusal });
  const old = service('1.2.3.4', '1.2.3.5');
  await admit(Service, { verb: 'update', object: service('1.2.3.4'), old });
  await expect(admit(Service, { verb: 'update', object: service('1.2.3.6'), old })).rejects.toThrow(refusal);
});

test('LimitPodHardAntiAffinityTopology refuses to keep pods out of zones', async () => {
  const { admitPod } = withPlugin('LimitPodHardAntiAffinityTopology');
  const apart = (topologyKey: string) => ({
    affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey }] } },
  });
  await admitPod(pod(apart('kubernetes.io/hostname')));
  await expect(admitPod(pod(apart('zone')))).rejects.toThrow(
    'pods "web" is forbidden: affinity.PodAntiAffinity.RequiredDuringScheduling has TopologyKey zone but only key kubernetes.io/hostname is allowed',
  );
});

test('ExtendedResourceToleration tolerates the taints of resources that are asked for, once', async () => {
  const { admitPod } = withPlugin('ExtendedResourceToleration');
  const gpu = { key: 'example.com/gpu', operator: 'Exists', effect: 'NoSchedule' };
  const requests = { cpu: '1', 'example.com/gpu': '1' };
  const asking = { containers: [{ name: 'c', image: 'i', resources: { requests } }] };
  const added = (await admitPod(pod(asking))).spec.tolerations ?? [];
  expect(added.filter(({ key }) => key === gpu.key)).toEqual([gpu]);
  const again = (await admitPod(pod({ ...asking, tolerations: [gpu] }))).spec.tolerations ?? [];
  expect(again.filter(({ key }) => key === gpu.key)).toEqual([gpu]);
});

describe('PodNodeSelector', () => {
  const selectors = { clusterDefaultNodeSelector: 'env=test', a: 'env=prod,disk=ssd,zone=z' };
  const fixture = () => withPlugin('PodNodeSelector', { PodNodeSelector: { podNodeSelectorPluginConfig: selectors } });

  test('the selector of the namespace is added', async () => {
    const { admitPod, cluster } = fixture();
    cluster.put(annotated({ 'scheduler.alpha.kubernetes.io/node-selector': 'env=prod' }));
    const { spec } = await admitPod(pod({ nodeSelector: { disk: 'ssd' } }));
    expect(spec.nodeSelector).toEqual({ env: 'prod', disk: 'ssd' });
  });

  test('what contradicts it, or what the namespace may not select, is refused', async () => {
    const { admitPod, cluster } = fixture();
    await expect(admitPod(pod({ nodeSelector: { env: 'prod' } }))).rejects.toThrow(
      'pods "web" is forbidden: pod node label selector conflicts with its namespace node label selector',
    );
    cluster.put(annotated({ 'scheduler.alpha.kubernetes.io/node-selector': 'env=prod' }));
    await expect(admitPod(pod({ nodeSelector: { disk: 'hdd' } }))).rejects.toThrow(
      'pods "web" is forbidden: pod node label selector labels conflict with its namespace whitelist',
    );
  });
});

describe('PodTolerationRestriction', () => {
  const toleration = { key: 'k', operator: 'Exists', effect: 'NoSchedule' };

  test('adds what the namespace gives its pods', async () => {
    const { admitPod, cluster } = withPlugin('PodTolerationRestriction');
    cluster.put(annotated({ 'scheduler.alpha.kubernetes.io/defaultTolerations': JSON.stringify([toleration]) }));
    expect((await admitPod(pod())).spec.tolerations).toContainEqual(toleration);
  });

  test('refuses what the namespace, else the cluster, does not allow', async () => {
    const { admitPod, cluster } = withPlugin('PodTolerationRestriction', {
      PodTolerationRestriction: { whitelist: [{ key: 'node.kubernetes.io/not-ready', operator: 'Exists' }] },
    });
    const refusal = (scope: string) =>
      `pods "web" is forbidden: pod tolerations (possibly merged with namespace default tolerations) conflict with its ${scope} whitelist`;
    await expect(admitPod(pod({ tolerations: [toleration] }))).rejects.toThrow(refusal('cluster'));
    cluster.put(annotated({ 'scheduler.alpha.kubernetes.io/tolerationsWhitelist': '[{"key":"other"}]' }));
    await expect(admitPod(pod({ tolerations: [toleration] }))).rejects.toThrow(refusal('namespace'));
  });
});

test('EventRateLimit lets a burst through, then as many as time allows', async () => {
  const { admit, clock } = withPlugin('EventRateLimit', {
    EventRateLimit: { limits: [{ type: 'Namespace', qps: 1, burst: 2 }] },
  });
  const event = inA('Event', 'e', { involvedObject: { kind: 'Pod', name: 'web' } } as object) as Event;
  const send = () => admit(Event, { object: event });
  await send();
  await send();
  await expect(send()).rejects.toMatchObject({
    code: 429,
    message: expect.stringContaining('limit reached on type Namespace for key a'),
  });
  clock.advance(1000);
  await send();
  await expect(send()).rejects.toMatchObject({ code: 429 });
});

test('NamespaceExists refuses writes into a namespace that is not there', async () => {
  const { admit } = admissionFixture({
    enabled: ['NamespaceExists'],
    disabled: ['NamespaceLifecycle', 'ServiceAccount'],
  });
  await expect(admit(Pod, { object: pod(), namespace: 'b' })).rejects.toMatchObject({
    code: 404,
    message: 'namespaces "b" not found',
  });
});

test('OwnerReferencesPermissionEnforcement asks whether the owner may be held up', async () => {
  const { admit } = withPlugin('OwnerReferencesPermissionEnforcement');
  const owned = (blockOwnerDeletion: boolean) =>
    pod({}, { ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: 'one', uid: 'u', blockOwnerDeletion }] });
  await admit(Pod, { object: owned(false) });
  await expect(admit(Pod, { object: owned(true) })).rejects.toThrow(
    `pods "web" is forbidden: cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on: , <nil>`,
  );
  await expect(admit(Pod, { verb: 'update', object: owned(false), old: pod() })).rejects.toThrow(
    `pods "web" is forbidden: cannot set an ownerRef on a resource you can't delete: , <nil>`,
  );
});

test('AlwaysDeny denies', async () => {
  await expect(withPlugin('AlwaysDeny').admitPod(pod())).rejects.toThrow(
    'pods "web" is forbidden: admission control is denying all modifications',
  );
});

test('what is switched off does not run', async () => {
  const { admitPod } = admissionFixture({ disabled: ['DefaultTolerationSeconds'] });
  expect((await admitPod(pod())).spec.tolerations).toBeUndefined();
});

describe('on by default', () => {
  const placed = object('Node', 'one', {
    metadata: {
      name: 'one',
      labels: { 'topology.kubernetes.io/zone': 'z', 'topology.kubernetes.io/region': 'r', other: 'o' },
    },
    status: { allocatable: { cpu: '2', memory: '1Gi' } },
  }) as Node;
  const labels = { 'topology.kubernetes.io/zone': 'z', 'topology.kubernetes.io/region': 'r' };

  test('PodTopologyLabels: a pod gets where its node is, bound or made there', async () => {
    const { admit, admitPod, cluster } = admissionFixture();
    cluster.put(placed);
    expect((await admitPod(pod({ nodeName: 'one' }))).metadata.labels).toEqual(labels);
    const binding = inA('Binding', 'web', { target: { kind: 'Node', name: 'one' } } as object);
    const bound = await admit(Pod, { subresource: 'binding', object: binding as never, user: alice });
    expect(bound.metadata.labels).toEqual(labels);
  });

  test('NodeDeclaredFeatureValidator: a whole pod is resized where its node has declared that it can', async () => {
    const { admit, cluster } = admissionFixture();
    const sized = (cpu: string, generation: number, nodeName: string) =>
      pod({ nodeName, resources: { requests: { cpu } } }, { generation });
    const resize = (subresource: string, generation = 2, node = 'one') =>
      admit(Pod, { verb: 'update', subresource, object: sized('2', generation, node), old: sized('1', 1, node) });
    for (const subresource of ['', 'resize'])
      await expect(resize(subresource, 2, 'gone')).rejects.toThrow('pods "web" is forbidden: node "gone" not found');
    cluster.put(placed);
    for (const subresource of ['', 'resize'])
      await expect(resize(subresource)).rejects.toThrow(
        'pods "web" is forbidden: pod update requires features InPlacePodLevelResourcesVerticalScaling which are not available on node "one"',
      );
    await resize('', 1); // nothing that counts has changed
    await resize('status');
    cluster.put({ ...placed, status: { ...placed.status, declaredFeatures: [...DECLARED_FEATURES] } } as Node);
    await resize('resize');
  });

  test('PodResizeValidator: no pod grows beyond its node', async () => {
    const { admit, cluster } = admissionFixture();
    cluster.put(placed);
    const sized = (cpu: string, generation: number) => {
      const resources = { requests: { cpu } };
      return pod({ nodeName: 'one', containers: [{ name: 'c', image: 'i', resources }] }, { generation });
    };
    const resize = (cpu: string) =>
      admit(Pod, { verb: 'update', subresource: 'resize', object: sized(cpu, 2), old: sized('1', 1) });
    await resize('2');
    await expect(resize('3')).rejects.toMatchObject({
      message: `pods "web" is forbidden: node didn't have enough allocatable resources: cpu, requested: 3000, allocatable: 2000`,
      details: { causes: [{ reason: 'NodeCapacity' }] },
    });
  });
});
