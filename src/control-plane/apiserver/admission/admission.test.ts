import { beforeEach, describe, expect, test } from 'vitest';
import { Namespace } from '#api/core/v1/namespace.ts';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { ServiceAccount } from '#api/core/v1/service-account.ts';
import type { Kind } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { deepFreeze } from '#base/deep-freeze.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { seededRandom } from '#base/random.ts';
import type { UserInfo } from '#client/transport.ts';
import { type FixedInformers, fixedInformers } from '#testing/fixed-informers.ts';
import { noOpinion } from '../authorization/authorizer.ts';
import { AdmissionChain, defaultAdmission } from './chain.ts';
import type { AdmissionRequest, AdmissionServices } from './define-admission.ts';

const alice: UserInfo = { name: 'alice', groups: ['system:authenticated'] };
const kubelet: UserInfo = { name: 'system:node:one', groups: ['system:nodes', 'system:authenticated'] };

const object = (kind: string, name: string, more: object = {}): KubeObject =>
  ({ apiVersion: 'v1', kind, metadata: { name, uid: `${name}-uid` }, ...more }) as unknown as KubeObject;
const inA = (kind: string, name: string, { metadata = {}, ...more }: { metadata?: object } = {}): KubeObject =>
  object(kind, name, { metadata: { name, namespace: 'a', uid: `${name}-uid`, ...metadata }, ...more });
const pod = (spec: object = {}, metadata: object = {}): Pod =>
  inA('Pod', 'web', { metadata, spec: { containers: [{ name: 'c', image: 'i' }], ...spec } } as object) as Pod;
const namespace = (name: string, phase = 'Active') => object('Namespace', name, { status: { phase } });
const priorityClass = (name: string, value: number, more: object = {}) => ({
  ...object('PriorityClass', name, { value, preemptionPolicy: 'PreemptLowerPriority', ...more }),
  apiVersion: 'scheduling.k8s.io/v1',
});

let cluster: FixedInformers;
let clock: ManualClock;
let chain: AdmissionChain;
beforeEach(() => {
  clock = new ManualClock();
  cluster = fixedInformers([
    namespace('a'),
    namespace('going', 'Terminating'),
    inA('ServiceAccount', 'default'),
    inA('ServiceAccount', 'robot', { imagePullSecrets: [{ name: 'pull' }] } as object),
    inA('ServiceAccount', 'quiet', { automountServiceAccountToken: false } as object),
    object('Node', 'one'),
    priorityClass('high', 1000),
  ]);
  const services: AdmissionServices = {
    informers: cluster,
    live: cluster.live,
    authorizer: { authorize: () => noOpinion() },
    clock,
    random: seededRandom(1),
  };
  const rbac = { policyRulesOf: () => [], rulesBehind: () => [] };
  chain = new AdmissionChain(defaultAdmission({ rbac }), services);
});

const request = <T extends KubeObject>(kind: Kind<T>, more: Partial<AdmissionRequest<T>>): AdmissionRequest<T> => ({
  verb: 'create',
  kind,
  namespace: kind.scope === 'Namespaced' ? 'a' : '',
  name: more.object?.metadata.name ?? more.old?.metadata.name ?? '',
  subresource: '',
  user: alice,
  dryRun: false,
  object: undefined,
  old: undefined,
  ...more,
});

const admit = async <T extends KubeObject>(kind: Kind<T>, more: Partial<AdmissionRequest<T>>): Promise<T> => {
  const wanted = request(kind, { ...more, ...(more.object && { object: deepFreeze(more.object) }) });
  const admitted = await chain.mutate(wanted);
  await chain.validate({ ...wanted, object: admitted });
  return admitted as T;
};
const admitPod = (one: Pod, more: Partial<AdmissionRequest<Pod>> = {}) => admit(Pod, { object: one, ...more });

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

describe('a pod', () => {
  test('gets the default ServiceAccount and its token, priority, and five minutes on a lost node', async () => {
    const { spec } = await admitPod(pod());
    const [volume] = spec.volumes ?? [];
    expect(volume?.name).toMatch(/^kube-api-access-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
    expect(spec).toEqual({
      serviceAccountName: 'default',
      serviceAccount: 'default',
      priority: 0,
      preemptionPolicy: 'PreemptLowerPriority',
      containers: [
        {
          name: 'c',
          image: 'i',
          volumeMounts: [
            { name: volume?.name, readOnly: true, mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' },
          ],
        },
      ],
      volumes: [
        {
          name: volume?.name,
          projected: {
            defaultMode: 420,
            sources: [
              { serviceAccountToken: { expirationSeconds: 3607, path: 'token' } },
              { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
              {
                downwardAPI: {
                  items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }],
                },
              },
            ],
          },
        },
      ],
      tolerations: [
        { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 },
        { key: 'node.kubernetes.io/unreachable', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 },
      ],
    });
  });

  test.each([
    { what: 'its account says so', spec: { serviceAccountName: 'quiet' } },
    { what: 'it says so itself', spec: { automountServiceAccountToken: false } },
    {
      what: 'every container has something else there',
      spec: {
        containers: [
          { name: 'c', volumeMounts: [{ name: 'own', mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' }] },
        ],
      },
    },
  ])('gets no token when $what', async ({ spec }) => {
    expect((await admitPod(pod(spec))).spec.volumes).toBeUndefined();
  });

  test('gets a token against its account when it asks for one', async () => {
    const asking = pod({ serviceAccountName: 'quiet', automountServiceAccountToken: true });
    expect((await admitPod(asking)).spec.volumes).toHaveLength(1);
  });

  test('takes over the pull secrets of its account unless it has its own', async () => {
    const taken = await admitPod(pod({ serviceAccountName: 'robot' }));
    expect(taken.spec.imagePullSecrets).toEqual([{ name: 'pull' }]);
    const own = await admitPod(pod({ serviceAccountName: 'robot', imagePullSecrets: [{ name: 'mine' }] }));
    expect(own.spec.imagePullSecrets).toEqual([{ name: 'mine' }]);
  });

  test('is refused when its account does not exist', async () => {
    await expect(admitPod(pod({ serviceAccountName: 'lost' }))).rejects.toMatchObject({
      code: 403,
      message: 'pods "web" is forbidden: error looking up service account a/lost: serviceaccount "lost" not found',
    });
  });

  test('waits for the default account of a new namespace', async () => {
    cluster.put(namespace('new'));
    const admitted = admitPod(pod({}, { namespace: 'new' }), { namespace: 'new' });
    for (let i = 0; i < 10; i++) await Promise.resolve();
    cluster.put(object('ServiceAccount', 'default', { metadata: { name: 'default', namespace: 'new', uid: 'u' } }));
    clock.advance(100);
    expect((await admitted).spec.serviceAccountName).toBe('default');
  });

  test('is refused a secret that its account does not list, where that is enforced', async () => {
    const annotations = { 'kubernetes.io/enforce-mountable-secrets': 'true' };
    cluster.put(inA('ServiceAccount', 'strict', { metadata: { annotations }, secrets: [{ name: 'ok' }] } as object));
    const using = (secretName: string) =>
      admitPod(pod({ serviceAccountName: 'strict', volumes: [{ name: 'v', secret: { secretName } }] }));
    await expect(using('ok')).resolves.toBeDefined();
    await expect(using('other')).rejects.toThrow(
      'volume with secret.secretName="other" is not allowed because service account strict does not reference that secret',
    );
  });

  test('gets the number of its priority class', async () => {
    const { spec } = await admitPod(pod({ priorityClassName: 'high' }));
    expect([spec.priority, spec.preemptionPolicy]).toEqual([1000, 'PreemptLowerPriority']);
  });

  test('without a class gets the default one', async () => {
    cluster.put(priorityClass('usual', 5, { globalDefault: true, preemptionPolicy: 'Never' }));
    const { spec } = await admitPod(pod());
    expect([spec.priorityClassName, spec.priority, spec.preemptionPolicy]).toEqual(['usual', 5, 'Never']);
  });

  test.each([
    [{ priorityClassName: 'lost' }, 'no PriorityClass with name lost was found'],
    [
      { priorityClassName: 'high', priority: 7 },
      'the integer value of priority (7) must not be provided in pod spec; priority admission controller computed 1000 from the given PriorityClass name',
    ],
    [
      { priorityClassName: 'high', preemptionPolicy: 'Never' },
      'the string value of PreemptionPolicy (Never) must not be provided in pod spec; priority admission controller computed PreemptLowerPriority from the given PriorityClass name',
    ],
  ])('%j is refused', async (spec, why) => {
    await expect(admitPod(pod(spec))).rejects.toMatchObject({
      code: 403,
      message: `pods "web" is forbidden: ${why}`,
    });
  });

  test.each([
    [[{ operator: 'Exists' }], 0],
    [[{ key: 'node.kubernetes.io/not-ready', effect: 'NoExecute', tolerationSeconds: 5 }], 1],
    [[{ key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }], 2],
  ])('with tolerations %j gets %i more', async (tolerations, more) => {
    const admitted = await admitPod(pod({ tolerations }));
    expect(admitted.spec.tolerations).toHaveLength(tolerations.length + more);
  });

  test('that is updated keeps its priority', async () => {
    const old = pod({ priority: 1000, preemptionPolicy: 'Never', serviceAccountName: 'default' });
    const { spec } = await admitPod(pod({ serviceAccountName: 'default' }), { verb: 'update', old });
    expect([spec.priority, spec.preemptionPolicy, spec.volumes]).toEqual([1000, 'Never', undefined]);
  });
});

test('only one PriorityClass is the default', async () => {
  const { PriorityClass } = await import('#api/scheduling/v1/priority-class.ts');
  cluster.put(priorityClass('usual', 5, { globalDefault: true }));
  const attempt = (name: string) =>
    admit(PriorityClass, { object: priorityClass(name, 6, { globalDefault: true }) as PriorityClassObject });
  type PriorityClassObject = import('#api/scheduling/v1/priority-class.ts').PriorityClass;
  await expect(attempt('usual')).resolves.toBeDefined();
  await expect(attempt('second')).rejects.toThrow('PriorityClass usual is already marked as default');
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

test('who may not hand out rules is refused a role, and may still label one', async () => {
  const { Role } = await import('#api/rbac/v1/role.ts');
  const role = (verbs: string[], labels = {}) =>
    ({
      ...inA('Role', 'r', { metadata: { labels } }),
      apiVersion: 'rbac.authorization.k8s.io/v1',
      rules: [{ apiGroups: [''], resources: ['pods'], verbs }],
    }) as unknown as import('#api/rbac/v1/role.ts').Role;
  await expect(admit(Role, { object: role(['get']) })).rejects.toThrow('is attempting to grant RBAC permissions');
  const labelled = { verb: 'update', old: role(['get']), object: role(['get'], { a: 'b' }) } as const;
  await expect(admit(Role, labelled)).resolves.toBeDefined();
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

describe('an Ingress', () => {
  const ingress = (spec: object, annotations = {}) =>
    ({
      ...inA('Ingress', 'i', { metadata: { annotations }, spec } as object),
      apiVersion: 'networking.k8s.io/v1',
    }) as never;
  const ingressClass = (name: string, creationTimestamp: string) =>
    cluster.put({
      ...object('IngressClass', name, {
        metadata: { name, creationTimestamp, annotations: { 'ingressclass.kubernetes.io/is-default-class': 'true' } },
      }),
      apiVersion: 'networking.k8s.io/v1',
    });

  test('without a class gets the youngest default; with one, in either way, keeps it', async () => {
    const { Ingress } = await import('#api/networking/v1/ingress.ts');
    const classOf = async (object: never) => (await admit(Ingress, { object })).spec.ingressClassName;
    expect(await classOf(ingress({}))).toBeUndefined();
    ingressClass('old', '2026-01-01T00:00:00Z');
    ingressClass('new', '2026-01-02T00:00:00Z');
    expect(await classOf(ingress({}))).toBe('new');
    expect(await classOf(ingress({ ingressClassName: 'own' }))).toBe('own');
    expect(await classOf(ingress({}, { 'kubernetes.io/ingress.class': 'nginx' }))).toBeUndefined();
  });
});

test('a volume claim without a class gets the default one; "" asks for none', async () => {
  const { PersistentVolumeClaim: Claim } = await import('#api/core/v1/persistent-volume-claim.ts');
  const classOf = async (spec: object) =>
    (await admit(Claim, { object: inA('PersistentVolumeClaim', 'd', { spec } as object) as never })).spec
      .storageClassName;
  expect(await classOf({})).toBeUndefined();
  const annotations = { 'storageclass.kubernetes.io/is-default-class': 'true' };
  const metadata = { name: 'local', annotations, creationTimestamp: '2026-01-01T00:00:00Z' };
  cluster.put({ ...object('StorageClass', 'local', { metadata }), apiVersion: 'storage.k8s.io/v1' });
  expect(await classOf({})).toBe('local');
  expect(await classOf({ storageClassName: '' })).toBe('');
});

test('nothing is admitted before what plugins read is being followed', () => {
  const followed: string[] = [];
  const informers = {
    ...cluster,
    for: (kind: Kind) => {
      followed.push(kind.kind);
      return cluster.for(kind);
    },
  } as FixedInformers;
  const services = { informers, live: cluster.live, clock, random: seededRandom(1) };
  const plugins = defaultAdmission({ rbac: { policyRulesOf: () => [], rulesBehind: () => [] } });
  new AdmissionChain(plugins, { ...services, authorizer: { authorize: () => noOpinion() } });
  expect(new Set(followed)).toEqual(
    new Set([
      'Namespace',
      'LimitRange',
      'ServiceAccount',
      'PriorityClass',
      'StorageClass',
      'RuntimeClass',
      'IngressClass',
    ]),
  );
});

test.each([
  ['is bound and its class allows it', 'Bound', true, undefined],
  ['is not bound', 'Pending', true, 'Only bound persistent volume claims can be expanded'],
  [
    'has a class that does not allow it',
    'Bound',
    false,
    'only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize',
  ],
])('a claim that %s grows accordingly', async (_what, phase, allowVolumeExpansion, why) => {
  const { PersistentVolumeClaim: Claim } = await import('#api/core/v1/persistent-volume-claim.ts');
  cluster.put({ ...object('StorageClass', 'local', { allowVolumeExpansion }), apiVersion: 'storage.k8s.io/v1' });
  const claim = (storage: string) => {
    const spec = { storageClassName: 'local', resources: { requests: { storage } } };
    return inA('PersistentVolumeClaim', 'd', { spec, status: { phase } } as object) as never;
  };
  const grow = admit(Claim, { verb: 'update', old: claim('1Gi'), object: claim('2Gi') });
  if (why) await expect(grow).rejects.toMatchObject({ code: 403, message: expect.stringContaining(why) });
  else await expect(grow).resolves.toBeDefined();
  await expect(admit(Claim, { verb: 'update', old: claim('1Gi'), object: claim('1024Mi') })).resolves.toBeDefined();
});
