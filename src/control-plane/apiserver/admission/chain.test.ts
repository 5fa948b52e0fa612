import { beforeEach, describe, expect, test } from 'vitest';
import { Pod } from '#api/core/v1/pod.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { seededRandom } from '#base/random.ts';
import {
  type AdmissionFixture,
  admissionFixture,
  inA,
  namespace,
  object,
  pod,
  priorityClass,
  withoutNetwork,
} from '#testing/admission-fixture.ts';
import type { FixedInformers } from '#testing/fixed-informers.ts';
import { noOpinion } from '../authorization/authorizer.ts';
import { AdmissionChain, defaultAdmission } from './chain.ts';

let cluster: AdmissionFixture['cluster'];
let clock: AdmissionFixture['clock'];
let admitPod: AdmissionFixture['admitPod'];
beforeEach(() => {
  ({ cluster, clock, admitPod } = admissionFixture());
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

  test('finds its token in a volume that is called alike in all pods of its account', async () => {
    const volumeOf = async (spec: object) => (await admitPod(pod(spec))).spec.volumes?.[0]?.name;
    const [one, same, other] = [
      await volumeOf({}),
      await volumeOf({}),
      await volumeOf({ serviceAccountName: 'robot' }),
    ];
    expect(same).toBe(one);
    expect(other).not.toBe(one);
    const present = { volumes: [{ name: 'kube-api-access-mine', emptyDir: {} }] };
    expect(await volumeOf(present)).toBe('kube-api-access-mine');
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

  test.each([
    [{ env: [{ name: 'E', valueFrom: { secretKeyRef: { name: 'other', key: 'k' } } }] }, 'envVar E'],
    [{ envFrom: [{ secretRef: { name: 'other' } }] }, 'envFrom'],
  ])('gets no such secret by an ephemeral container either (CVE-2023-2728, CVE-2024-3177): %j', async (more, how) => {
    const annotations = { 'kubernetes.io/enforce-mountable-secrets': 'true' };
    cluster.put(inA('ServiceAccount', 'strict', { metadata: { annotations }, secrets: [{ name: 'ok' }] } as object));
    const running = pod({ serviceAccountName: 'strict' });
    const debugged = pod({ ...running.spec, ephemeralContainers: [{ name: 'd', image: 'i', ...more }] });
    const update = { verb: 'update', subresource: 'ephemeralcontainers', old: running } as const;
    await expect(admitPod(debugged, update)).rejects.toMatchObject({
      code: 500,
      reason: '',
      message: `ephemeral container d with ${how} referencing secret.secretName="other" is not allowed because service account strict does not reference that secret`,
    });
    const free = pod({ ...debugged.spec, serviceAccountName: 'default' });
    await expect(admitPod(free, update)).resolves.toBeDefined();
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

test('nothing is admitted before what plugins read is being followed', () => {
  const followed: string[] = [];
  const informers = {
    ...cluster,
    for: (kind: Kind) => {
      followed.push(kind.kind);
      return cluster.for(kind);
    },
  } as FixedInformers;
  const services = { informers, live: cluster.live, clock, random: seededRandom(1), ...withoutNetwork };
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
      'MutatingAdmissionPolicy',
      'MutatingAdmissionPolicyBinding',
      'MutatingWebhookConfiguration',
      'Node',
      'Pod',
      'ValidatingAdmissionPolicy',
      'ValidatingAdmissionPolicyBinding',
      'ValidatingWebhookConfiguration',
    ]),
  );
});

test.each(['NamespaceLifecycle', 'ServiceAccount', 'NodeRestriction', 'Priority', 'RuntimeClass'])(
  '%s waits for nothing when its copies know the answer',
  (name) => {
    cluster.put({ ...object('RuntimeClass', 'sandboxed', { handler: 'runsc' }), apiVersion: 'node.k8s.io/v1' });
    const services = { informers: cluster, live: cluster.live, clock, random: seededRandom(1), ...withoutNetwork };
    const all = { ...services, authorizer: { authorize: () => noOpinion() } };
    const wanted = pod({ serviceAccountName: 'default', priorityClassName: 'high', runtimeClassName: 'sandboxed' });
    const request = {
      verb: 'create',
      kind: Pod,
      namespace: 'a',
      name: 'web',
      subresource: '',
      user: { name: 'alice', groups: [] },
      dryRun: false,
      object: wanted,
      old: undefined,
    } as const;
    const asked = defaultAdmission({ rbac: { policyRulesOf: () => [], rulesBehind: () => [] } }).filter(
      (plugin) => plugin.name === name && plugin.handles(request),
    );
    const reinvocation = { isAgain: false, isWanted: false, kept: new Map() };
    expect(asked).not.toEqual([]);
    for (const plugin of asked) {
      expect(plugin.mutate?.(request, all, reinvocation)).not.toBeInstanceOf(Promise);
      expect(plugin.validate?.(request, all)).not.toBeInstanceOf(Promise);
    }
  },
);
