import { beforeEach, describe, expect, test } from 'vitest';
import { type AdmissionFixture, admissionFixture, object, pod } from '#testing/admission-fixture.ts';

let cluster: AdmissionFixture['cluster'];
let admitPod: AdmissionFixture['admitPod'];
beforeEach(() => {
  ({ cluster, admitPod } = admissionFixture());
});

describe('a RuntimeClass', () => {
  const taint = { key: 'sandbox', operator: 'Exists' };
  beforeEach(() => {
    cluster.put({
      ...object('RuntimeClass', 'sandboxed', {
        handler: 'runsc',
        overhead: { podFixed: { memory: '64Mi' } },
        scheduling: { nodeSelector: { sandbox: 'yes' }, tolerations: [taint] },
      }),
      apiVersion: 'node.k8s.io/v1',
    });
  });

  test('brings its overhead and where it runs', async () => {
    const { spec } = await admitPod(pod({ runtimeClassName: 'sandboxed', nodeSelector: { disk: 'ssd' } }));
    expect(spec.overhead).toEqual({ memory: '64Mi' });
    expect(spec.nodeSelector).toEqual({ disk: 'ssd', sandbox: 'yes' });
    expect(spec.tolerations).toContainEqual(taint);
  });

  test.each([
    [{ runtimeClassName: 'lost' }, 'pod rejected: RuntimeClass "lost" not found'],
    [
      { runtimeClassName: 'sandboxed', overhead: { memory: '1Mi' } },
      "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead",
    ],
    [
      { overhead: { memory: '1Mi' } },
      'pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead',
    ],
    [
      { runtimeClassName: 'sandboxed', nodeSelector: { sandbox: 'no' } },
      'conflict: runtimeClass.scheduling.nodeSelector[sandbox] = yes; pod.spec.nodeSelector[sandbox] = no',
    ],
  ])('%j is refused', async (spec, why) => {
    await expect(admitPod(pod(spec))).rejects.toMatchObject({ message: `pods "web" is forbidden: ${why}` });
  });
});
