import { afterEach, describe, expect, test } from 'vitest';
import { Namespace } from '#api/core/v1/namespace.ts';
import { Pod } from '#api/core/v1/pod.ts';
import type { PodSpec } from '#api/generated/schema.ts';
import type { Kind } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { seededRandom } from '#base/random.ts';
import { withoutNetwork } from '#testing/admission-fixture.ts';
import { fixedInformers } from '#testing/fixed-informers.ts';
import { noOpinion } from '../../authorization/authorizer.ts';
import { AdmissionChain } from '../chain.ts';
import type { AdmissionRequest } from '../define-admission.ts';
import { type Level, type PodSecurityConfiguration, policiesOf } from './levels.ts';
import { podSecurity, violationsOf } from './pod-security.ts';

const hardened = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ['ALL'] },
  runAsNonRoot: true,
  seccompProfile: { type: 'RuntimeDefault' },
};
/** A pod of containers `a`, `b` … with these security contexts. */
const pod = (contexts: object[], more: object = {}) =>
  ({
    containers: contexts.map((securityContext, i) => ({ name: 'abc'[i], securityContext })),
    ...more,
  }) as unknown as PodSpec;
const check = (level: Level, spec: PodSpec, annotations = {}) =>
  violationsOf(spec, { annotations }, { level, version: 'latest' });

describe('baseline', () => {
  test.each([
    ['an ordinary pod', pod([{}, {}]), undefined],
    ['a hardened pod', pod([hardened]), undefined],
    ['an ordinary capability', pod([{ capabilities: { add: ['CHOWN'] } }]), undefined],
    [
      'host namespaces',
      pod([{}], { hostNetwork: true, hostPID: true }),
      'host namespaces (hostNetwork=true, hostPID=true)',
    ],
    ['a hostPath', pod([{}], { volumes: [{ name: 'v', hostPath: { path: '/' } }] }), 'hostPath volumes (volume "v")'],
    [
      'privileged containers',
      pod([{ privileged: true }, { privileged: true }]),
      'privileged (containers "a", "b" must not set securityContext.privileged=true)',
    ],
    [
      'a capability',
      pod([{ capabilities: { add: ['SYS_ADMIN', 'NET_RAW'] } }]),
      'non-default capabilities (container "a" must not include "NET_RAW", "SYS_ADMIN" in securityContext.capabilities.add)',
    ],
    [
      'a host port',
      pod([], { containers: [{ name: 'a', ports: [{ containerPort: 80, hostPort: 80 }] }] }),
      'hostPort (container "a" uses hostPort 80)',
    ],
    [
      'unmasked proc',
      pod([{ procMount: 'Unmasked' }]),
      'procMount (container "a" must not set securityContext.procMount to "Unmasked")',
    ],
    ['unmasked proc with users of its own', pod([{ procMount: 'Unmasked' }], { hostUsers: false }), undefined],
    [
      'no seccomp',
      pod([{ seccompProfile: { type: 'Unconfined' } }], {
        securityContext: { seccompProfile: { type: 'Unconfined' } },
      }),
      'seccompProfile (pod and container "a" must not set securityContext.seccompProfile.type to "Unconfined")',
    ],
    [
      'a sysctl',
      pod([{}], { securityContext: { sysctls: [{ name: 'kernel.msgmax' }, { name: 'net.ipv4.tcp_syncookies' }] } }),
      'forbidden sysctls (kernel.msgmax)',
    ],
    [
      'an SELinux user',
      pod([{ seLinuxOptions: { user: 'u', type: 'spc_t' } }]),
      'seLinuxOptions (container "a" set forbidden securityContext.seLinuxOptions: type "spc_t"; user may not be set)',
    ],
    [
      'no AppArmor',
      pod([{ appArmorProfile: { type: 'Unconfined' } }]),
      'forbidden AppArmor profile (container "a" must not set AppArmor profile type to "Unconfined")',
    ],
    [
      'a Windows host process',
      pod([{}], { securityContext: { windowsOptions: { hostProcess: true } } }),
      'hostProcess (pod must not set securityContext.windowsOptions.hostProcess=true)',
    ],
    [
      'a probe of another host',
      pod([], { containers: [{ name: 'a', livenessProbe: { httpGet: { host: '10.0.0.1' } } }] }),
      'probe or lifecycle host (container "a" uses probe or lifecycle host "10.0.0.1")',
    ],
    [
      'an init container',
      pod([{}], { initContainers: [{ name: 'i', securityContext: { privileged: true } }] }),
      'privileged (container "i" must not set securityContext.privileged=true)',
    ],
  ])('%s', (_what, spec, expected) => {
    expect(check('baseline', spec)).toBe(expected);
    expect(check('privileged', spec)).toBeUndefined();
    if (expected) expect(check('restricted', spec)).toBeDefined();
  });
});

describe('restricted', () => {
  test.each([
    ['a hardened pod', pod([hardened]), undefined],
    [
      'an ordinary pod',
      pod([{}]),
      'allowPrivilegeEscalation != false (container "a" must set securityContext.allowPrivilegeEscalation=false), ' +
        'unrestricted capabilities (container "a" must set securityContext.capabilities.drop=["ALL"]), ' +
        'runAsNonRoot != true (pod or container "a" must set securityContext.runAsNonRoot=true), ' +
        'seccompProfile (pod or container "a" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")',
    ],
    [
      'what the pod says for its containers',
      pod([{ allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } }], {
        securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
      }),
      undefined,
    ],
    [
      'a container that says otherwise',
      pod([{ ...hardened, runAsNonRoot: false }], { securityContext: { runAsNonRoot: true } }),
      'runAsNonRoot != true (container "a" must not set securityContext.runAsNonRoot=false)',
    ],
    ['user 0', pod([{ ...hardened, runAsUser: 0 }]), 'runAsUser=0 (container "a" must not set runAsUser=0)'],
    [
      'an added capability',
      pod([{ ...hardened, capabilities: { drop: ['ALL'], add: ['CHOWN', 'NET_BIND_SERVICE'] } }]),
      'unrestricted capabilities (container "a" must not include "CHOWN" in securityContext.capabilities.add)',
    ],
    [
      'a volume of the host',
      pod([hardened], {
        volumes: [
          { name: 'v', hostPath: { path: '/' } },
          { name: 'n', nfs: {} },
          { name: 'e', emptyDir: {} },
        ],
      }),
      'restricted volume types (volumes "v", "n" use restricted volume types "hostPath", "nfs")',
    ],
    ['Windows', pod([{ runAsNonRoot: true }], { os: { name: 'windows' } }), undefined],
  ])('%s', (_what, spec, expected) => {
    expect(check('restricted', spec)).toBe(expected);
  });
});

test.each([
  [{}, { level: 'privileged', version: 'latest' }],
  [{ 'pod-security.kubernetes.io/enforce': 'baseline' }, { level: 'baseline', version: 'latest' }],
  [
    { 'pod-security.kubernetes.io/enforce': 'baseline', 'pod-security.kubernetes.io/enforce-version': 'v1.30' },
    { level: 'baseline', version: 'v1.30' },
  ],
  [{ 'pod-security.kubernetes.io/enforce': 'typo' }, { level: 'restricted', version: 'latest' }],
])('labels %j ask for %j', (labels, policy) => {
  expect(policiesOf(labels).enforce).toEqual(policy);
});

test.each([
  ['v1.7', {}, undefined],
  ['v1.24', { os: { name: 'windows' } }, 'allowPrivilegeEscalation != false'],
  ['v1.34', { hostUsers: false }, 'runAsNonRoot != true'],
  ['v1.99', {}, 'allowPrivilegeEscalation != false'],
])('rules of %s hold for %j', (version, more, reason) => {
  const context = { ...hardened, runAsNonRoot: false, allowPrivilegeEscalation: true };
  const said = violationsOf(pod([context], more), {}, { level: 'restricted', version });
  if (reason) expect(said).toContain(reason);
  else expect(said).not.toContain('allowPrivilegeEscalation');
});

test('who sets the enforced level is warned at it', () => {
  const labels = {
    'pod-security.kubernetes.io/enforce': 'baseline',
    'pod-security.kubernetes.io/enforce-version': 'v1.30',
  };
  expect(policiesOf(labels).warn).toEqual({ level: 'baseline', version: 'v1.30' });
});

describe('in a namespace', () => {
  const labels = {
    'pod-security.kubernetes.io/enforce': 'baseline',
    'pod-security.kubernetes.io/warn': 'restricted',
    'pod-security.kubernetes.io/audit': 'restricted',
  };
  const namespace = {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: 'a', uid: 'u', labels },
  } as unknown as Namespace;

  let configuration: PodSecurityConfiguration = {};
  let pods: readonly Pod[] = [];
  afterEach(() => {
    configuration = {};
    pods = [];
  });

  async function validate<T extends KubeObject>(kind: Kind<T>, more: Partial<AdmissionRequest<T>>): Promise<string[]> {
    const warnings: string[] = [];
    const informers = fixedInformers([namespace, ...pods]);
    const chain = new AdmissionChain(podSecurity(configuration), {
      informers,
      live: informers.live,
      authorizer: { authorize: () => noOpinion() },
      clock: new ManualClock(),
      random: seededRandom(1),
      ...withoutNetwork,
    });
    const request = {
      verb: 'create',
      kind,
      namespace: 'a',
      name: 'x',
      subresource: '',
      user: { name: 'alice', groups: [] },
      dryRun: false,
      object: undefined,
      old: undefined,
      warn: (text: string) => warnings.push(text),
      ...more,
    } as AdmissionRequest;
    await chain.validate(request);
    return warnings;
  }
  const podOf = (spec: PodSpec) => ({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'x' }, spec }) as Pod;

  test('a pod below its level is refused', async () => {
    await expect(validate(Pod, { object: podOf(pod([{ privileged: true }])) })).rejects.toMatchObject({
      code: 403,
      message:
        'pods "x" is forbidden: violates PodSecurity "baseline:latest": privileged (container "a" must not set securityContext.privileged=true)',
    });
  });

  test('a pod below the level of warnings is let through with one', async () => {
    const [warning, ...more] = await validate(Pod, { object: podOf(pod([{ ...hardened, runAsUser: 0 }])) });
    expect(more).toEqual([]);
    expect(warning).toBe(
      'would violate PodSecurity "restricted:latest": runAsUser=0 (container "a" must not set runAsUser=0)',
    );
    expect(await validate(Pod, { object: podOf(pod([hardened])) })).toEqual([]);
  });

  test('an update is looked at when it brings another image', async () => {
    const bad = podOf(pod([{ privileged: true }]));
    expect(await validate(Pod, { verb: 'update', object: bad, old: bad })).toEqual([]);
    const other = podOf({ ...bad.spec, containers: [{ ...bad.spec.containers[0]!, image: 'other' }] });
    await expect(validate(Pod, { verb: 'update', object: other, old: bad })).rejects.toMatchObject({ code: 403 });
    const debugged = podOf({ ...bad.spec, ephemeralContainers: [{ name: 'd', image: 'i' }] } as unknown as PodSpec);
    const debugging = { verb: 'update', subresource: 'ephemeralcontainers', object: debugged, old: bad } as const;
    await expect(validate(Pod, debugging)).rejects.toMatchObject({ code: 403 });
  });

  test('what makes pods is warned about, not refused', async () => {
    const { Deployment } = await import('#api/apps/v1/deployment.ts');
    const object = { metadata: { name: 'd' }, spec: { template: { spec: pod([{ privileged: true }]) } } };
    const [warning] = await validate(Deployment, { object: object as never });
    expect(warning).toContain('would violate PodSecurity "restricted:latest": privileged (container "a"');
  });

  test('the audit event tells what was enforced, and what would not have passed', async () => {
    const said: Record<string, string> = {};
    const annotate = (key: string, value: string) => Object.assign(said, { [key]: value });
    await validate(Pod, { object: podOf(pod([hardened])), annotate });
    expect(said).toEqual({ 'pod-security.kubernetes.io/enforce-policy': 'baseline:latest' });
    await validate(Pod, { object: podOf(pod([{ ...hardened, runAsUser: 0 }])), annotate });
    expect(said['pod-security.kubernetes.io/audit-violations']).toBe(
      'would violate PodSecurity "restricted:latest": runAsUser=0 (container "a" must not set runAsUser=0)',
    );
  });

  test('defaults hold where labels say nothing', async () => {
    configuration = { defaults: { enforce: 'baseline', 'enforce-version': 'v1.30', audit: 'baseline' } };
    const said: Record<string, string> = {};
    const annotate = (key: string, value: string) => Object.assign(said, { [key]: value });
    const enforced = { ...namespace, metadata: { ...namespace.metadata, labels: {} } };
    const policies = policiesOf(enforced.metadata.labels, {
      enforce: { level: 'baseline', version: 'v1.30' },
      audit: { level: 'baseline', version: 'latest' },
      warn: { level: 'privileged', version: 'latest' },
    });
    expect(policies.enforce).toEqual({ level: 'baseline', version: 'v1.30' });
    await validate(Pod, { object: podOf(pod([hardened])), annotate });
    expect(said).toEqual({ 'pod-security.kubernetes.io/enforce-policy': 'baseline:v1.30' });
  });

  test.each([
    ['namespace', { namespaces: ['a'] }],
    ['user', { usernames: ['alice'] }],
    ['runtimeClass', { runtimeClasses: ['vm'] }],
  ])('what is exempt by its %s is not looked at', async (reason, exemptions) => {
    configuration = { exemptions };
    const said: Record<string, string> = {};
    const object = podOf(pod([{ privileged: true }], { runtimeClassName: 'vm' }));
    await validate(Pod, { object, annotate: (key, value) => Object.assign(said, { [key]: value }) });
    expect(said).toEqual({ 'pod-security.kubernetes.io/exempt': reason });
  });

  test('labels of an exempt namespace are said to be ignored', async () => {
    configuration = { exemptions: { namespaces: ['a'] } };
    expect(await validate(Namespace, { object: namespace, name: 'a' })).toEqual([
      'namespace "a" is exempt from Pod Security, and the policy ' +
        '(enforce=baseline:latest, audit=restricted:latest, warn=restricted:latest) will be ignored',
    ]);
  });

  test('who makes a namespace stricter hears of its pods', async () => {
    const named = (name: string, spec: PodSpec) => ({ ...podOf(spec), metadata: { name, namespace: 'a' } }) as Pod;
    const rooted = pod([{ ...hardened, runAsUser: 0 }]);
    pods = [named('b', rooted), named('a', rooted), named('c', pod([hardened])), named('d', pod([{}]))];
    const stricter = {
      ...namespace,
      metadata: { ...namespace.metadata, labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } },
    };
    expect(await validate(Namespace, { verb: 'update', object: stricter, old: namespace, name: 'a' })).toEqual([
      'existing pods in namespace "a" violate the new PodSecurity enforce level "restricted:latest"',
      'a (and 1 other pod): runAsUser=0',
      'd: allowPrivilegeEscalation != false, unrestricted capabilities, runAsNonRoot != true, seccompProfile',
    ]);
    expect(await validate(Namespace, { verb: 'update', object: namespace, old: stricter, name: 'a' })).toEqual([]);
  });

  test('labels that mean nothing are refused', async () => {
    const wrong = {
      ...namespace,
      metadata: { ...namespace.metadata, labels: { 'pod-security.kubernetes.io/enforce': 'strict' } },
    };
    await expect(validate(Namespace, { object: wrong, name: 'a' })).rejects.toMatchObject({
      code: 422,
      message:
        'Namespace "a" is invalid: metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: "strict": must be one of privileged, baseline, restricted',
    });
    expect(await validate(Namespace, { verb: 'update', object: wrong, old: wrong, name: 'a' })).toEqual([]);
  });
});
