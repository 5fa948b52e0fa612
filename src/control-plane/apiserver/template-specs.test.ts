import { describe, expect, test } from 'vitest';
import { ReplicaSet } from '#api/apps/v1/replica-set.ts';
import { HorizontalPodAutoscaler } from '#api/autoscaling/v1/horizontal-pod-autoscaler.ts';
import { PersistentVolumeClaim } from '#api/core/v1/persistent-volume-claim.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { isShared } from '#api/machinery/shared-parts.ts';
import { deepFreeze } from '#base/deep-freeze.ts';
import { replicaSetController } from '#control-plane/controllers/replica-set.ts';
import { startCluster } from '#testing/cluster.ts';
import { decodeObject } from './decode-object.ts';
import { JSON_MEDIA_TYPE } from './request-body.ts';
import { withSpecAsAdmittedBefore } from './template-specs.ts';

const containers = () => [{ name: 'main', image: 'example/main:1', resources: { limits: { cpu: '1000m' } } }];
const templateSpec = (more: object = {}) => deepFreeze({ containers: containers(), ...more });

function created(spec: object, { fieldValidation = 'Warn' as const, name = 'web' } = {}) {
  const warnings: string[] = [];
  const object = { apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec };
  const options = { fieldValidation, warn: (text: string) => void warnings.push(text) };
  return { pod: decodeObject(Pod, { object, contentType: JSON_MEDIA_TYPE }, options), warnings };
}

describe('what several pods are made of', () => {
  test('is read once, and all of them have it', () => {
    const spec = templateSpec();
    const [one, other] = [created(spec).pod, created(spec, { name: 'other' }).pod];
    expect(other.spec).toBe(one.spec);
    expect(other.metadata.name).toBe('other');
    expect(one.spec).toEqual(created(structuredClone(spec)).pod.spec);
    expect(one.spec.containers[0]?.resources).toEqual({ limits: { cpu: '1' }, requests: { cpu: '1' } });
  });

  test('is read again where somebody could still change it', () => {
    const inside = containers();
    const spec = Object.freeze({ containers: inside });
    created(spec);
    inside[0]!.image = 'example/main:2';
    expect(created(spec).pod.spec.containers[0]?.image).toBe('example/main:2');
  });

  test('is warned of each time, and what does not fit is refused each time', () => {
    const unknown = templateSpec({ colour: 'red' });
    for (let time = 0; time < 2; time++) expect(created(unknown).warnings).toEqual(['unknown field "spec.colour"']);
    const misfit = templateSpec({ nodeName: 7 });
    for (let time = 0; time < 2; time++)
      expect(() => created(misfit)).toThrow('cannot unmarshal number into Go struct field PodSpec.spec.nodeName');
  });

  test('is read anew as part of another kind', () => {
    const spec = templateSpec({ resources: {} });
    created(spec);
    const object = { metadata: { name: 'data' }, spec };
    const options = { fieldValidation: 'Ignore' as const, warn: () => undefined };
    const claim = decodeObject(PersistentVolumeClaim, { object, contentType: JSON_MEDIA_TYPE }, options);
    expect(claim.spec).toEqual({ resources: {}, volumeMode: 'Filesystem' });
  });

  test('is read each time where its defaults go by the metadata as well', () => {
    const spec = deepFreeze({ scaleTargetRef: { kind: 'Deployment', name: 'web' }, maxReplicas: 3 });
    const options = { fieldValidation: 'Ignore' as const, warn: () => undefined };
    const targetOf = (annotations: Record<string, string>) => {
      const object = { metadata: { name: 'web', annotations }, spec };
      const autoscaler = decodeObject(HorizontalPodAutoscaler, { object, contentType: JSON_MEDIA_TYPE }, options);
      return autoscaler.spec.targetCPUUtilizationPercentage;
    };
    expect(targetOf({})).toBe(80);
    expect(targetOf({ 'autoscaling.alpha.kubernetes.io/metrics': '[]' })).toBeUndefined();
  });
});

describe('what admission makes of it', () => {
  const asked = created(templateSpec()).pod;
  const admittedWith = (priority: number) => ({ ...asked, spec: { ...asked.spec, priority } });

  test('is shared from the second time on when it is the same, and never when it is not', () => {
    const [first, second] = [1, 1].map((priority) => withSpecAsAdmittedBefore(admittedWith(priority), asked));
    expect(second?.spec).toBe(first?.spec);
    expect(isShared(second?.spec)).toBe(true);
    const other = withSpecAsAdmittedBefore(admittedWith(2), asked);
    expect(other.spec).toEqual({ ...asked.spec, priority: 2 });
    expect(isShared(other.spec)).toBe(false);
  });

  test('of what only one pod has is left alone', () => {
    const single = { ...asked, spec: { ...asked.spec } };
    const admitted = { ...single, spec: { ...single.spec, priority: 1 } };
    expect(withSpecAsAdmittedBefore(admitted, single)).toBe(admitted);
  });
});

test('pods of one template share their specification and the account of its fields, until the template changes', async () => {
  await using cluster = await startCluster({ controllers: [replicaSetController] });
  const labels = { app: 'web' };
  const template = (image: string) => ({ metadata: { labels }, spec: { containers: [{ name: 'main', image }] } });
  await cluster.create(ReplicaSet, {
    metadata: { name: 'web', namespace: 'default' },
    spec: { replicas: 3, selector: { matchLabels: labels }, template: template('example/main:1') },
  });
  await cluster.settles();
  const { items: first } = await cluster.client.list(Pod, { namespace: 'default' }); // as the server has them
  expect(first).toHaveLength(3);
  expect(new Set(first.map(({ spec }) => spec.containers)).size).toBe(1);
  const setOf = ({ metadata }: Pod) => (metadata.managedFields![0]!.fieldsV1 as Record<string, object>)['f:spec'];
  expect(new Set(first.map(setOf)).size).toBe(1);
  const names = new Set(first.map(({ metadata }) => metadata.name));
  await cluster.patch(ReplicaSet, 'default/web', { spec: { replicas: 4, template: template('example/main:2') } });
  await cluster.settles();
  const added = (await cluster.list(Pod)).filter(({ metadata }) => !names.has(metadata.name));
  expect(added.map(({ spec }) => spec.containers[0]?.image)).toEqual(['example/main:2']);
});
