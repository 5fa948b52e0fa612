import { beforeEach, describe, expect, test } from 'vitest';
import { Namespace } from '#api/core/v1/namespace.ts';
import { ServiceAccount } from '#api/core/v1/service-account.ts';
import { type AdmissionFixture, admissionFixture, inA, namespace, pod } from '#testing/admission-fixture.ts';

let admit: AdmissionFixture['admit'];
let admitPod: AdmissionFixture['admitPod'];
beforeEach(() => {
  ({ admit, admitPod } = admissionFixture());
});

describe('namespaces', () => {
  test('nothing is created in one that does not exist', async () => {
    await expect(admitPod(pod(), { namespace: 'lost' })).rejects.toMatchObject({
      code: 404,
      message: 'namespaces "lost" not found',
    });
  });

  test('nothing is created in one that is going; updates and deletes go on', async () => {
    const error = await admitPod(pod(), { namespace: 'going' }).catch((reason) => reason);
    expect(error).toMatchObject({
      code: 403,
      message:
        'pods "web" is forbidden: unable to create new content in namespace going because it is being terminated',
      details: {
        causes: [
          {
            reason: 'NamespaceTerminating',
            message: 'namespace going is being terminated',
            field: 'metadata.namespace',
          },
        ],
      },
    });
    const account = inA('ServiceAccount', 'x') as ServiceAccount;
    const update = { verb: 'update', object: account, old: account, namespace: 'going' } as const;
    await expect(admit(ServiceAccount, update)).resolves.toBeDefined();
    await expect(admit(ServiceAccount, { verb: 'delete', old: account, namespace: 'going' })).resolves.toBeUndefined();
  });

  test.each(['default', 'kube-system', 'kube-public'])('%s cannot be deleted', async (name) => {
    const old = namespace(name) as Namespace;
    await expect(admit(Namespace, { verb: 'delete', old, namespace: name })).rejects.toMatchObject({
      code: 403,
      message: `namespaces "${name}" is forbidden: this namespace may not be deleted`,
    });
  });

  test('others can', async () => {
    await expect(admit(Namespace, { verb: 'delete', old: namespace('a') as Namespace })).resolves.toBeUndefined();
  });
});
