import { beforeEach, describe, expect, test } from 'vitest';
import { type AdmissionFixture, admissionFixture, inA, pod } from '#testing/admission-fixture.ts';

let cluster: AdmissionFixture['cluster'];
let admit: AdmissionFixture['admit'];
let admitPod: AdmissionFixture['admitPod'];
beforeEach(() => {
  ({ cluster, admit, admitPod } = admissionFixture());
});

describe('LimitRanges', () => {
  const limitRange = (name: string, ...limits: object[]) =>
    cluster.put(inA('LimitRange', name, { spec: { limits } } as object));
  const container = (resources: object, name = 'c') => ({ name, image: 'i', resources });

  test('fill in what containers do not say, and note it', async () => {
    limitRange('l', { type: 'Container', default: { cpu: '500m', memory: '1Gi' }, defaultRequest: { cpu: '100m' } });
    const admitted = await admitPod(
      pod({ containers: [container({ limits: { cpu: '1' } })], initContainers: [container({}, 'first')] }),
    );
    expect(admitted.spec.containers[0]?.resources).toEqual({
      limits: { cpu: '1', memory: '1Gi' },
      requests: { cpu: '100m' },
    });
    expect(admitted.spec.initContainers?.[0]?.resources).toEqual({
      limits: { cpu: '500m', memory: '1Gi' },
      requests: { cpu: '100m' },
    });
    expect(admitted.metadata.annotations?.['kubernetes.io/limit-ranger']).toBe(
      'LimitRanger plugin set: cpu request for container c; memory limit for container c; cpu request for init container first; cpu, memory limit for init container first',
    );
  });

  test.each([
    [{ min: { cpu: '100m' } }, {}, 'minimum cpu usage per Container is 100m.  No request is specified'],
    [
      { min: { cpu: '100m' } },
      { requests: { cpu: '50m' } },
      'minimum cpu usage per Container is 100m, but request is 50m',
    ],
    [{ min: { cpu: '100m' } }, { requests: { cpu: '0.1' } }, undefined],
    [{ max: { memory: '1Gi' } }, {}, 'maximum memory usage per Container is 1Gi.  No limit is specified'],
    [
      { max: { memory: '1Gi' } },
      { limits: { memory: '2Gi' } },
      'maximum memory usage per Container is 1Gi, but limit is 2Gi',
    ],
    [{ max: { memory: '1Gi' } }, { limits: { memory: '1024Mi' } }, undefined],
    [
      { maxLimitRequestRatio: { cpu: '2' } },
      { requests: { cpu: '100m' }, limits: { cpu: '300m' } },
      'cpu max limit to request ratio per Container is 2, but provided ratio is 3.000000',
    ],
    [{ maxLimitRequestRatio: { cpu: '2' } }, { requests: { cpu: '100m' }, limits: { cpu: '200m' } }, undefined],
    [
      { min: { cpu: '1' }, max: { cpu: '1' } },
      {},
      '[minimum cpu usage per Container is 1.  No request is specified, maximum cpu usage per Container is 1.  No limit is specified]',
    ],
  ])('%j and a container with %j → %s', async (bounds, resources, why) => {
    limitRange('l', { type: 'Container', ...bounds });
    const attempt = admitPod(pod({ containers: [container(resources)] }));
    if (why) await expect(attempt).rejects.toMatchObject({ message: `pods "web" is forbidden: ${why}` });
    else await expect(attempt).resolves.toBeDefined();
  });

  test('count a pod as a whole', async () => {
    limitRange('l', { type: 'Pod', max: { cpu: '1' } });
    const half = (name: string) => container({ limits: { cpu: '600m' } }, name);
    await expect(admitPod(pod({ containers: [half('a')] }))).resolves.toBeDefined();
    await expect(admitPod(pod({ containers: [half('a'), half('b')] }))).rejects.toThrow(
      'maximum cpu usage per Pod is 1, but limit is 1200m',
    );
  });

  test('bound what a volume claim requests', async () => {
    limitRange('l', { type: 'PersistentVolumeClaim', max: { storage: '1Gi' } });
    const claim = (storage: string) =>
      inA('PersistentVolumeClaim', 'd', { spec: { resources: { requests: { storage } } } } as object);
    const { PersistentVolumeClaim: Claim } = await import('#api/core/v1/persistent-volume-claim.ts');
    await expect(admit(Claim, { object: claim('1Gi') as never })).resolves.toBeDefined();
    await expect(admit(Claim, { object: claim('2Gi') as never })).rejects.toThrow(
      'maximum storage usage per PersistentVolumeClaim is 1Gi, but request is 2Gi',
    );
  });
});
