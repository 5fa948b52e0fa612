import { beforeEach, describe, expect, test } from 'vitest';
import { CertificateSigningRequest } from '#api/certificates/v1/certificate-signing-request.ts';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { ServiceAccount } from '#api/core/v1/service-account.ts';
import { ResourceSlice } from '#api/resource/v1/resource-slice.ts';
import type { UserInfo } from '#client/transport.ts';
import { type AdmissionFixture, admissionFixture, inA, kubelet, object, pod } from '#testing/admission-fixture.ts';
import { type Attributes, allow } from '../authorization/authorizer.ts';
import type { AdmissionRequest } from './define-admission.ts';

// openssl req -new -subj "/O=system:nodes/CN=system:node:one"
const REQUEST_OF_ONE = `-----BEGIN CERTIFICATE REQUEST-----
MIHsMIGTAgEAMDExFTATBgNVBAoMDHN5c3RlbTpub2RlczEYMBYGA1UEAwwPc3lz
dGVtOm5vZGU6b25lMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEw1ORtMUOy7YI
mlZ7vSB1baWhO1QgB48NpHQNraGzqVSyyNMRPw66K+pDRXVSYQUoiOug+4L/69B1
MHqB5S/UtaAAMAoGCCqGSM49BAMCA0gAMEUCIQCt2X/HSIxw0ZgqNUMaRYEK4Bqc
OvXUH0OCyfhRKo5izgIgTOU1joZSxaUdrnWPcC0MSH06UPhy+/PYMUwtaFvHJSo=
-----END CERTIFICATE REQUEST-----
`;

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
      'its owners, with whom it would go (CVE-2025-5187)',
      own(),
      own({
        metadata: {
          name: 'one',
          uid: 'one-uid',
          ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: 'x', uid: 'x' }],
        },
      }),
      'node "one" is not allowed to modify ownerReferences',
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
    const token = { name: 'v', projected: { sources: [{ serviceAccountToken: { path: 'token' } }] } };
    cluster.put(pod({ ...mine.spec, volumes: [token] }));
    cluster.put(inA('Pod', 'far', { spec: { nodeName: 'two', containers: [] } } as object));
    const attempt = admit(ServiceAccount, { subresource: 'token', object: tokenFor(ref), user: kubelet });
    if (why) await expect(attempt).rejects.toMatchObject({ code: 403, message: expect.stringContaining(why) });
    else await expect(attempt).resolves.toBeDefined();
  });

  const csr = (signerName: string, request = REQUEST_OF_ONE) =>
    object('CertificateSigningRequest', 'csr', { spec: { signerName, request: btoa(request) } }) as never;
  const two: UserInfo = { ...kubelet, name: 'system:node:two' };
  test.each([
    ['in its own name', csr('kubernetes.io/kubelet-serving'), kubelet, undefined],
    [
      'in the name of another',
      csr('kubernetes.io/kubelet-serving'),
      two,
      'can only create a node CSR with CN=system:node:two',
    ],
    ['of another signer', csr('example.com/mine'), two, undefined],
    [
      'that is none',
      csr('kubernetes.io/kube-apiserver-client-kubelet', 'x'),
      kubelet,
      'unable to parse csr: PEM block type must be CERTIFICATE REQUEST',
    ],
  ])('asks for a certificate %s', async (_what, one, user, why) => {
    const attempt = admit(CertificateSigningRequest, { object: one, user });
    if (why) await expect(attempt).rejects.toMatchObject({ code: 403, message: expect.stringContaining(why) });
    else await expect(attempt).resolves.toBeDefined();
  });

  const slice = (spec: object) => object('ResourceSlice', 'slice', { spec }) as never;
  test.each([
    ['creates its own', { object: slice({ nodeName: 'one' }) }, undefined],
    [
      'creates one of another',
      { object: slice({ nodeName: 'two' }) },
      'can only create ResourceSlice with the same NodeName as the requesting node',
    ],
    ['creates one of all', { object: slice({ allNodes: true }) }, 'can only create ResourceSlice'],
    [
      'deletes one of another',
      { verb: 'delete', old: slice({ nodeName: 'two' }) },
      'can only delete ResourceSlice with the same NodeName as the requesting node',
    ],
  ] as const)('%s ResourceSlice', async (_what, more, why) => {
    const attempt = admit(ResourceSlice, { ...more, user: kubelet });
    if (why) await expect(attempt).rejects.toMatchObject({ code: 403, message: expect.stringContaining(why) });
    else await attempt;
  });
});

describe('a token for an audience', () => {
  const driver = (audience: string) =>
    ({
      ...object('CSIDriver', 'd', { spec: { tokenRequests: [{ audience }] } }),
      apiVersion: 'storage.k8s.io/v1',
    }) as never;
  const claim = inA('PersistentVolumeClaim', 'c', { spec: { volumeName: 'pv' } } as object);
  const volume = object('PersistentVolume', 'pv', { spec: { csi: { driver: 'd' } } });
  const projected = (audience?: string) => ({
    name: 'v',
    projected: { sources: [{ serviceAccountToken: { path: 'token', ...(audience && { audience }) } }] },
  });
  const ofClaim = { name: 'v', persistentVolumeClaim: { claimName: 'c' } };
  const notNamed = (audience: string) =>
    `serviceaccounts "default" is forbidden: audience "${audience}" not found in pod spec volume, system:node:one is not authorized to request tokens for this audience`;

  test.each([
    ['of the server', [], [projected()], [], undefined],
    ['of the server that no volume names', [], [], [], notNamed('')],
    ['that a volume names', ['x'], [projected('x')], [], undefined],
    ['that another one has', ['x'], [projected('y')], [], notNamed('x')],
    [
      'together with another',
      ['x', 'y'],
      [projected('x'), projected('y')],
      [],
      'node may only request 0 or 1 audiences',
    ],
    ['of an inline driver', ['x'], [{ name: 'v', csi: { driver: 'd' } }], [driver('x')], undefined],
    ['of the driver of a claim', ['x'], [ofClaim], [driver('x'), claim, volume], undefined],
    ['of another driver', ['x'], [ofClaim], [driver('y'), claim, volume], notNamed('x')],
    [
      'of an ephemeral volume whose claim is missing',
      ['x'],
      [{ name: 'v', ephemeral: { volumeClaimTemplate: { spec: {} } } }],
      [],
      'error validating audience "x": persistentvolumeclaim "web-v" not found',
    ],
    ['of a claim whose volume is missing', ['x'], [ofClaim], [claim], 'persistentvolume "pv" not found'],
    [
      'of a driver that is missing',
      ['x'],
      [ofClaim, { name: 'w', csi: { driver: 'e' } }],
      [claim, volume],
      'error validating audience "x": [csidriver.storage.k8s.io "d" not found, csidriver.storage.k8s.io "e" not found]',
    ],
  ])('%s', async (_what, audiences, volumes, objects, why) => {
    cluster.put(pod({ nodeName: 'one', serviceAccountName: 'default', volumes }));
    for (const one of objects) cluster.put(one);
    const attempt = admit(ServiceAccount, { subresource: 'token', object: asked(audiences), user: kubelet });
    if (why) await expect(attempt).rejects.toMatchObject({ code: 403, message: expect.stringContaining(why) });
    else await expect(attempt).resolves.toBeDefined();
  });

  test('is granted by an administrator too', async () => {
    const wishes: Attributes[] = [];
    const authorize = (wish: Attributes) => {
      wishes.push(wish);
      return allow();
    };
    const granting = admissionFixture({}, { authorize });
    granting.cluster.put(pod({ nodeName: 'one', serviceAccountName: 'default' }));
    await granting.admit(ServiceAccount, { subresource: 'token', object: asked(['x']), user: kubelet });
    expect(wishes).toMatchObject([
      { verb: 'request-serviceaccounts-token-audience', group: '', resource: 'x', namespace: 'a', name: 'default' },
    ]);
  });

  const asked = (audiences: string[]) => {
    const boundObjectRef = { apiVersion: 'v1', kind: 'Pod', name: 'web', uid: 'web-uid' };
    return { kind: 'TokenRequest', metadata: { name: 'default' }, spec: { audiences, boundObjectRef } } as never;
  };
});
