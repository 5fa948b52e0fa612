import { beforeEach, describe, expect, test } from 'vitest';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { ServiceAccount } from '#api/core/v1/service-account.ts';
import { type AdmissionFixture, admissionFixture, inA, kubelet, object, pod } from '#testing/admission-fixture.ts';
import type { AdmissionRequest } from './define-admission.ts';

let cluster: AdmissionFixture['cluster'];
let admit: AdmissionFixture['admit'];
let admitPod: AdmissionFixture['admitPod'];
beforeEach(() => {
  ({ cluster, admit, admitPod } = admissionFixture());
});

describe('a node', () => {
  test('that is new takes no pods yet', async () => {
    const created = await admit(Node, { object: object('Node', 'one', { spec: {} }) as Node, user: kubelet });
    expect(created.spec.taints).toEqual([{ key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }]);
  });

  const own = (more: object = {}) => object('Node', 'one', { spec: {}, ...more }) as Node;
  const labelled = (labels: Record<string, string>) => own({ metadata: { name: 'one', uid: 'one-uid', labels } });

  test.each([
    ['its own status', own(), own({ status: { phase: 'x' } }), undefined],
    [
      'another node',
      object('Node', 'two') as Node,
      object('Node', 'two') as Node,
      'node "one" is not allowed to modify node "two"',
    ],
    [
      'its taints',
      own({ spec: { taints: [{ key: 'a', effect: 'NoSchedule' }] } }),
      own(),
      'node "one" is not allowed to modify taints',
    ],
    [
      'a label that draws pods',
      own(),
      labelled({ 'node-restriction.kubernetes.io/x': '1' }),
      'is not allowed to modify labels: node-restriction.kubernetes.io/x',
    ],
    [
      'an unknown kubernetes.io label',
      own(),
      labelled({ 'a.kubernetes.io/x': '1' }),
      'is not allowed to modify labels: a.kubernetes.io/x',
    ],
    [
      'its role',
      own(),
      labelled({ 'node-role.kubernetes.io/control-plane': '' }),
      'is not allowed to modify labels: node-role.kubernetes.io/control-plane',
    ],
    ['its hostname', own(), labelled({ 'kubernetes.io/hostname': 'one', mine: 'x' }), undefined],
    ['a kubelet label', own(), labelled({ 'gpu.node.kubernetes.io/x': '1' }), undefined],
  ])('changes %s', async (_what, old, next, why) => {
    const attempt = admit(Node, { verb: 'update', old, object: next, user: kubelet });
    if (why) await expect(attempt).rejects.toMatchObject({ code: 403, message: expect.stringContaining(why) });
    else await expect(attempt).resolves.toBeDefined();
  });

  const mine = pod({ nodeName: 'one', serviceAccountName: 'default' });
  const theirs = pod({ nodeName: 'two', serviceAccountName: 'default' });
  test.each([
    ['deletes its own pod', { verb: 'delete', old: mine }, undefined],
    [
      'deletes another',
      { verb: 'delete', old: theirs },
      'node "one" can only delete pods with spec.nodeName set to itself',
    ],
    [
      'updates a pod',
      { verb: 'update', old: mine, object: mine },
      'unexpected operation "UPDATE", node "one" can only create and delete mirror pods',
    ],
    ['reports on its own pod', { verb: 'update', subresource: 'status', old: mine, object: mine }, undefined],
    [
      'reports on another',
      { verb: 'update', subresource: 'status', old: theirs, object: theirs },
      'node "one" can only update pod status for pods with spec.nodeName set to itself',
    ],
    [
      'relabels through a report',
      { verb: 'update', subresource: 'status', old: mine, object: pod({ nodeName: 'one' }, { labels: { a: 'b' } }) },
      'node "one" cannot update labels through pod status',
    ],
    [
      'creates an ordinary pod',
      { verb: 'create', object: mine },
      'pod does not have "kubernetes.io/config.mirror" annotation, node "one" can only create mirror pods',
    ],
    [
      'binds a pod',
      { verb: 'create', subresource: 'binding', object: mine },
      `unexpected pod subresource "binding", only 'status' and 'eviction' are allowed`,
    ],
  ] as const)('%s', async (_what, more, why) => {
    const attempt = admit(Pod, { ...(more as Partial<AdmissionRequest<Pod>>), user: kubelet });
    if (why) await expect(attempt).rejects.toMatchObject({ code: 403, message: expect.stringContaining(why) });
    else await attempt;
  });

  const mirror = (spec: object = {}, metadata: object = {}) =>
    pod(
      { nodeName: 'one', ...spec },
      {
        annotations: { 'kubernetes.io/config.mirror': 'x' },
        ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: 'one', uid: 'one-uid', controller: true }],
        ...metadata,
      },
    );
  test.each([
    ['as it should be', mirror(), undefined],
    [
      'on another node',
      mirror({ nodeName: 'two' }),
      'node "one" can only create pods with spec.nodeName set to itself',
    ],
    [
      'without an owner',
      mirror({}, { ownerReferences: [] }),
      'node "one" can only create pods with an owner reference set to itself',
    ],
    ['with a secret', mirror({ imagePullSecrets: [{ name: 's' }] }), 'a mirror pod may not reference secrets'],
    [
      'with a ConfigMap',
      mirror({ volumes: [{ name: 'v', configMap: { name: 'c' } }] }),
      'node "one" can not create pods that reference configmaps',
    ],
    [
      'with a claim',
      mirror({ volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'c' } }] }),
      'node "one" can not create pods that reference persistentvolumeclaims',
    ],
  ])('mirrors a pod %s', async (_what, one, why) => {
    const attempt = admitPod(one, { user: kubelet });
    if (why) await expect(attempt).rejects.toMatchObject({ code: 403, message: expect.stringContaining(why) });
    else expect((await attempt).spec.volumes).toBeUndefined();
  });

  const tokenFor = (boundObjectRef?: object) =>
    ({ kind: 'TokenRequest', metadata: { name: 'default' }, spec: { boundObjectRef } }) as unknown as ServiceAccount;
  test.each([
    ['of its own pod', { apiVersion: 'v1', kind: 'Pod', name: 'web', uid: 'web-uid' }, undefined],
    [
      'of another pod',
      { apiVersion: 'v1', kind: 'Pod', name: 'far', uid: 'far-uid' },
      'node requested token bound to a pod scheduled on a different node',
    ],
    ['bound to nothing', undefined, 'node requested token not bound to a pod'],
    [
      'without a uid',
      { apiVersion: 'v1', kind: 'Pod', name: 'web' },
      'node requested token with a pod binding without a uid',
    ],
  ])('asks for a token %s', async (_what, ref, why) => {
    cluster.put(mine);
    cluster.put(inA('Pod', 'far', { spec: { nodeName: 'two', containers: [] } } as object));
    const attempt = admit(ServiceAccount, { subresource: 'token', object: tokenFor(ref), user: kubelet });
    if (why) await expect(attempt).rejects.toMatchObject({ code: 403, message: expect.stringContaining(why) });
    else await expect(attempt).resolves.toBeDefined();
  });
});
