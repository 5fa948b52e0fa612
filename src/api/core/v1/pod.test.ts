import { describe, expect, test } from 'vitest';
import type * as schema from '#api/generated/schema.ts';
import { share } from '#api/machinery/shared-parts.ts';
import { cellsOf } from '#api/machinery/table.ts';
import { Pod } from './pod.ts';

const NOW = Date.parse('2026-01-01T01:00:00Z');
const OLD = '2026-01-01T00:00:00Z';

const pod = (spec: object = {}, status?: object, metadata: object = {}): schema.Pod =>
  Pod.defaults({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web', namespace: 'default', resourceVersion: '1', creationTimestamp: OLD, ...metadata },
    spec: { containers: [{ name: 'web', image: 'web:1' }], ...spec },
    ...(status && { status }),
  } as unknown as schema.Pod);

const messages = (object: schema.Pod) => Pod.validate(object).map(({ field, message }) => `${field}: ${message}`);

test('a pod that says little gets what upstream gives it', () => {
  expect(pod({ containers: [{ name: 'web', image: 'web', ports: [{ containerPort: 80 }] }] }).spec).toEqual({
    containers: [
      {
        name: 'web',
        image: 'web',
        ports: [{ containerPort: 80, protocol: 'TCP' }],
        resources: {},
        terminationMessagePath: '/dev/termination-log',
        terminationMessagePolicy: 'File',
        imagePullPolicy: 'Always',
      },
    ],
    restartPolicy: 'Always',
    terminationGracePeriodSeconds: 30,
    dnsPolicy: 'ClusterFirst',
    securityContext: {},
    schedulerName: 'default-scheduler',
    enableServiceLinks: true,
  });
});

test.each([
  ['web', 'Always'],
  ['web:latest', 'Always'],
  ['host:5000/web', 'Always'],
  ['host:5000/web:1', 'IfNotPresent'],
  ['web@sha256:0123', 'IfNotPresent'],
])('an image %s is pulled %s', (image, policy) => {
  expect(pod({ containers: [{ name: 'a', image }] }).spec.containers[0]?.imagePullPolicy).toBe(policy);
});

test('a pod that has its defaults is given back as it is, and of one that lacks a few the rest', () => {
  const whole = pod({
    initContainers: [{ name: 'first', image: 'first:1', livenessProbe: { httpGet: { port: 80 } } }],
    containers: [
      {
        name: 'web',
        image: 'web:1',
        ports: [{ containerPort: 80 }],
        env: [{ name: 'NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }, { name: 'PLAIN' }],
        readinessProbe: { grpc: { port: 80 } },
        lifecycle: { preStop: { httpGet: { port: 80 } }, postStart: { sleep: { seconds: 1 } } },
      },
    ],
    volumes: [
      { name: 'none' },
      { name: 'disk', hostPath: { path: '/x', type: '' } },
      { name: 'claimed', ephemeral: { volumeClaimTemplate: { spec: {} } } },
      { name: 'image', image: { reference: 'data:1' } },
      { name: 'secret', secret: { secretName: 's' } },
      { name: 'map', configMap: { name: 'c' } },
      { name: 'down', downwardAPI: { items: [{ path: 'p', fieldRef: { fieldPath: 'metadata.name' } }] } },
      { name: 'token', projected: { sources: [{ serviceAccountToken: { path: 'token' } }, { downwardAPI: {} }] } },
    ],
    serviceAccountName: 'me',
  });
  expect(Pod.defaults(whole)).toBe(whole);
  const { dnsPolicy: _, ...lacking } = whole.spec;
  const mended = Pod.defaults({ ...whole, spec: lacking as schema.PodSpec });
  expect(mended).toEqual(whole);
  expect(mended.spec.containers).toBe(whole.spec.containers);
});

test('limits are requests where none are made; host ports are the container ports on the host network', () => {
  const object = pod({
    hostNetwork: true,
    containers: [
      {
        name: 'a',
        image: 'a:1',
        ports: [{ containerPort: 80 }],
        resources: { limits: { cpu: '1', memory: '1Gi' }, requests: { cpu: '500m' } },
      },
    ],
  });
  expect(object.spec.containers[0]?.resources?.requests).toEqual({ cpu: '500m', memory: '1Gi' });
  expect(object.spec.containers[0]?.ports?.[0]?.hostPort).toBe(80);
});

test('a new pod is pending, in its class, and of the first generation', () => {
  const created = Pod.prepareForCreate(pod({ schedulingGates: [{ name: 'example.com/wait' }] }));
  expect(created.metadata.generation).toBe(1);
  expect(created.status).toMatchObject({
    phase: 'Pending',
    qosClass: 'BestEffort',
    conditions: [{ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated' }],
  });
});

const container = (more: object) => ({ containers: [{ name: 'a', image: 'a:1', ...more }] });

test.each<[object, string[]]>([
  [{}, []],
  [{ containers: [] }, ['spec.containers: Required value']],
  [{ containers: [{ image: 'a:1' }] }, ['spec.containers[0].name: Required value']],
  [{ containers: [{ name: 'a' }] }, ['spec.containers[0].image: Required value']],
  [
    {
      containers: [
        { name: 'a', image: 'a:1' },
        { name: 'a', image: 'a:1' },
      ],
    },
    ['spec.containers[1].name: Duplicate value: "a"'],
  ],
  [
    container({ volumeMounts: [{ name: 'v', mountPath: '/v' }] }),
    ['spec.containers[0].volumeMounts[0].name: Not found: "v"'],
  ],
  [
    { ...container({ volumeMounts: [{ name: 'v', mountPath: '/v' }] }), volumes: [{ name: 'v', secret: {} }] },
    ['spec.volumes[0].secret.secretName: Required value', 'spec.containers[0].volumeMounts[0].name: Not found: "v"'],
  ],
  [
    { volumes: [{ name: 'v', secret: { secretName: 's' }, emptyDir: {} }] },
    ['spec.volumes[0].secret: Forbidden: may not specify more than 1 volume type'],
  ],
  [
    container({ resources: { requests: { memory: '2Gi' }, limits: { memory: '1Gi' } } }),
    ['spec.containers[0].resources.requests: Invalid value: "2Gi": must be less than or equal to memory limit of 1Gi'],
  ],
  [
    container({ resources: { requests: { 'example.com/gpu': '1' } } }),
    ['spec.containers[0].resources.limits: Required value: Limit must be set for non overcommitable resources'],
  ],
  [
    container({ ports: [{ containerPort: 70000 }] }),
    ['spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive'],
  ],
  [
    container({ env: [{ name: 'A', value: '1', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }] }),
    ['spec.containers[0].env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty'],
  ],
  [
    container({ livenessProbe: { periodSeconds: 1 } }),
    ['spec.containers[0].livenessProbe: Required value: must specify a handler type'],
  ],
  [
    container({ livenessProbe: { tcpSocket: { port: 80 }, successThreshold: 2 } }),
    ['spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1'],
  ],
  [
    { ...container({}), initContainers: [{ name: 'i', image: 'i:1', readinessProbe: { tcpSocket: { port: 80 } } }] },
    [
      'spec.initContainers[0].readinessProbe: Forbidden: may not be set for init containers without restartPolicy=Always',
    ],
  ],
  [
    { restartPolicy: 'Maybe' },
    ['spec.restartPolicy: Unsupported value: "Maybe": supported values: "Always", "OnFailure", "Never"'],
  ],
  [
    { tolerations: [{ operator: 'Equal', value: 'x' }] },
    [
      'spec.tolerations[0].operator: Invalid value: "Equal": operator must be Exists when `key` is empty, which means "match all values and all keys"',
    ],
  ],
  [
    { affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [] } } } },
    [
      'spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: Required value: must have at least one node selector term',
    ],
  ],
  [
    { topologySpreadConstraints: [{ maxSkew: 0, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule' }] },
    ['spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero'],
  ],
  [
    container({ securityContext: { privileged: true, allowPrivilegeEscalation: false } }),
    [
      'spec.containers[0].securityContext: Invalid value: {"privileged":true,"allowPrivilegeEscalation":false}: cannot set `allowPrivilegeEscalation` to false and `privileged` to true',
    ],
  ],
])('%j is answered with %j', (spec, expected) => {
  expect(messages(pod(spec))).toEqual(expected);
});

describe('an update', () => {
  const current = Pod.prepareForCreate(pod());
  const updated = (spec: object, subresource = '') => {
    const next = Pod.prepareForUpdate({ ...current, spec: { ...current.spec, ...spec } }, current, subresource);
    return {
      next,
      errors: Pod.validateUpdate(next, current, subresource).map(({ field, message }) => `${field}: ${message}`),
    };
  };

  test('may change an image and moves the generation', () => {
    const { next, errors } = updated({ containers: [{ ...current.spec.containers[0]!, image: 'web:2' }] });
    expect(errors).toEqual([]);
    expect(next.metadata.generation).toBe(2);
  });

  test('may not change what the containers run with', () => {
    const { errors } = updated({ hostname: 'other' });
    expect(errors).toHaveLength(1);
    expect(errors[0]).toMatch(
      /^spec: Forbidden: pod updates may not change fields other than `spec.containers\[\*\].image`/,
    );
    expect(errors[0]).toContain('previously negative)\n@@ -');
    expect(errors[0]).toContain('\n+ "hostname": "other",\n');
    expect(updated({ containers: [] }).errors).toEqual([
      'spec.containers: Required value',
      'spec.containers: Forbidden: pod updates may not add or remove containers',
    ]);
  });

  test('of the status leaves the spec alone', () => {
    const status = { phase: 'Running' as const };
    const next = Pod.prepareForUpdate(
      { ...current, spec: { ...current.spec, nodeName: 'n' }, status },
      current,
      'status',
    );
    expect(next.spec).toEqual(current.spec);
    expect(next.status).toEqual({ phase: 'Running', qosClass: 'BestEffort' });
    expect(next.metadata.generation).toBe(1);
  });

  test('by binding is not a new generation and may set the status', () => {
    const bound = Pod.prepareForUpdate(
      { ...current, spec: { ...current.spec, nodeName: 'n' }, status: { phase: 'Pending', reason: 'x' } },
      current,
      'binding',
    );
    expect(bound).toMatchObject({ spec: { nodeName: 'n' }, status: { reason: 'x' }, metadata: { generation: 1 } });
  });

  test('of ephemeral containers takes nothing else', () => {
    const debug = {
      name: 'debug',
      image: 'tools:1',
      terminationMessagePolicy: 'File',
      imagePullPolicy: 'IfNotPresent',
    };
    const { next, errors } = updated({ hostname: 'other', ephemeralContainers: [debug] }, 'ephemeralcontainers');
    expect(errors).toEqual([]);
    expect(next.spec.hostname).toBeUndefined();
    expect(next.spec.ephemeralContainers).toEqual([debug]);
  });

  test('of sizes takes only these', () => {
    const sized = (cpu: string, image: string) => ({
      containers: [{ ...current.spec.containers[0]!, image, resources: { requests: { cpu } } }],
    });
    const before = Pod.prepareForCreate(pod(sized('1', 'web:1')));
    const next = Pod.prepareForUpdate({ ...before, spec: { ...before.spec, ...sized('2', 'x:1') } }, before, 'resize');
    expect(Pod.validateUpdate(next, before, 'resize')).toEqual([]);
    expect(next.spec.containers[0]).toMatchObject({ image: 'web:1', resources: { requests: { cpu: '2' } } });
  });
});

const running = { name: 'web', ready: true, restartCount: 0, state: { running: { startedAt: OLD } } };
const waiting = (reason: string) => ({ name: 'web', ready: false, restartCount: 0, state: { waiting: { reason } } });
const ended = (exitCode: number, reason?: string) => ({
  name: 'web',
  ready: false,
  restartCount: 0,
  state: { terminated: { exitCode, ...(reason && { reason }) } },
});
const ready = { type: 'Ready', status: 'True' };
const inits = {
  initContainers: [
    { name: 'i', image: 'i:1' },
    { name: 'j', image: 'j:1' },
  ],
};

test.each<[string, schema.Pod, [string, string]]>([
  ['just made', pod({}, { phase: 'Pending' }), ['0/1', 'Pending']],
  ['running', pod({}, { phase: 'Running', containerStatuses: [running], conditions: [ready] }), ['1/1', 'Running']],
  [
    'starting',
    pod({}, { phase: 'Pending', containerStatuses: [waiting('ContainerCreating')] }),
    ['0/1', 'ContainerCreating'],
  ],
  [
    'crashing',
    pod({}, { phase: 'Running', containerStatuses: [waiting('CrashLoopBackOff')] }),
    ['0/1', 'CrashLoopBackOff'],
  ],
  ['done', pod({}, { phase: 'Succeeded', containerStatuses: [ended(0, 'Completed')] }), ['0/1', 'Completed']],
  ['killed', pod({}, { phase: 'Failed', containerStatuses: [ended(137)] }), ['0/1', 'ExitCode:137']],
  [
    'in its first init container',
    pod(inits, { phase: 'Pending', initContainerStatuses: [{ ...running, name: 'i', ready: false }] }),
    ['0/1', 'Init:0/2'],
  ],
  [
    'failing in its second',
    pod(inits, {
      phase: 'Pending',
      initContainerStatuses: [
        { ...ended(0, 'Completed'), name: 'i' },
        { ...waiting('CrashLoopBackOff'), name: 'j' },
      ],
    }),
    ['0/1', 'Init:CrashLoopBackOff'],
  ],
  [
    'with a sidecar',
    pod(
      { initContainers: [{ name: 'i', image: 'i:1', restartPolicy: 'Always' }] },
      {
        phase: 'Running',
        initContainerStatuses: [{ ...running, name: 'i', started: true }],
        containerStatuses: [running],
      },
    ),
    ['2/2', 'Running'],
  ],
  [
    'going',
    pod({}, { phase: 'Running', containerStatuses: [running] }, { deletionTimestamp: OLD }),
    ['1/1', 'Terminating'],
  ],
  ['evicted', pod({}, { phase: 'Failed', reason: 'Evicted' }), ['0/1', 'Evicted']],
  [
    'gated',
    pod({}, { phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated' }] }),
    ['0/1', 'SchedulingGated'],
  ],
])('a pod that is %s shows it', (_, object, expected) => {
  expect(cellsOf(Pod, object, NOW).slice(1, 3)).toEqual(expected);
});

test('restarts say how long ago the last one was; the wide columns say where the pod is', () => {
  const object = pod(
    { nodeName: 'n1', readinessGates: [{ conditionType: 'example.com/up' }] },
    {
      phase: 'Running',
      podIPs: [{ ip: '10.0.0.7' }],
      containerStatuses: [
        { ...running, restartCount: 3, lastState: { terminated: { exitCode: 1, finishedAt: '2026-01-01T00:59:55Z' } } },
      ],
    },
  );
  expect(cellsOf(Pod, object, NOW)).toEqual([
    'web',
    '1/1',
    'Running',
    '3 (5s ago)',
    '60m',
    '10.0.0.7',
    'n1',
    '<none>',
    '0/1',
  ]);
});

test('only a pod that runs somewhere waits to be ended', () => {
  expect(Pod.gracefulDeletion?.defaultSeconds(pod())).toBe(30);
  expect(Pod.gracefulDeletion?.goesAtOnce?.(pod())).toBe(true);
  expect(Pod.gracefulDeletion?.goesAtOnce?.(pod({ nodeName: 'n1' }))).toBe(false);
  expect(Pod.gracefulDeletion?.goesAtOnce?.(pod({ nodeName: 'n1' }, { phase: 'Succeeded' }))).toBe(true);
});

test('what is seldom meant is told', () => {
  const env = [
    { name: 'A', value: '1' },
    { name: 'A', value: '2' },
    { name: 'A', value: '$(A):3' },
  ];
  const odd = pod({
    nodeSelector: { 'beta.kubernetes.io/os': 'linux' },
    containers: [{ name: 'a', image: 'a:1', env }],
  });
  expect(Pod.warnings(odd)).toEqual([
    'spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead',
    'spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply',
  ]);
  expect(Pod.warnings(pod())).toEqual([]);
});

describe('a specification that many pods share', () => {
  const named = (spec: schema.PodSpec, name: string, annotations?: object) => ({
    ...pod({}, undefined, { name, ...(annotations && { annotations }) }),
    spec,
  });

  test('is refused of each of them', () => {
    const { spec } = pod({ dnsPolicy: 'Mine' });
    share(spec);
    const complaints = ['one', 'other'].map((name) => messages(named(spec, name)));
    expect(complaints[0]).toEqual([expect.stringContaining('spec.dnsPolicy: Unsupported value: "Mine"')]);
    expect(complaints[1]).toEqual(complaints[0]);
  });

  test('is judged with the name of each where claims are named after it', () => {
    const claim = {
      metadata: {},
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
    };
    const { spec } = pod({ volumes: [{ name: 'data', ephemeral: { volumeClaimTemplate: claim } }] });
    share(spec);
    expect(messages(named(spec, 'short'))).toEqual([]);
    expect(messages(named(spec, 'a'.repeat(250)))).toEqual([expect.stringContaining('spec.volumes[0].name')]);
  });

  test('is warned of with the annotations of each', () => {
    const { spec } = pod({ nodeSelector: { 'beta.kubernetes.io/os': 'linux' } });
    share(spec);
    const annotation = 'scheduler.alpha.kubernetes.io/critical-pod';
    const warned = [{}, { [annotation]: '' }, undefined].map((annotations) =>
      Pod.warnings(named(spec, 'web', annotations)),
    );
    expect(warned.map((texts) => texts.length)).toEqual([1, 2, 1]);
    expect(warned[1]).toEqual([warned[0]?.[0], expect.stringContaining(annotation)]);
  });
});

test('an update of a pod warns of nothing', () => {
  const odd = pod({ nodeSelector: { 'beta.kubernetes.io/os': 'linux' } });
  expect(Pod.warnings(odd)).toHaveLength(1);
  expect(Pod.warnings(odd, pod())).toEqual([]);
});

test('a container that came to its end stays there when it must not run again', () => {
  const ended = [{ ...running, state: { terminated: { exitCode: 1 } } }];
  const current = pod({ restartPolicy: 'Never' }, { phase: 'Running', containerStatuses: ended });
  const next = pod({ restartPolicy: 'Never' }, { phase: 'Running', containerStatuses: [running] });
  expect(Pod.validateUpdate(next, current, 'status')).toEqual([
    {
      reason: 'FieldValueForbidden',
      field: 'status.containerStatuses[0].state',
      message: 'Forbidden: may not be transitioned to non-terminated state',
    },
  ]);
  const always = pod({}, { phase: 'Running', containerStatuses: ended });
  expect(Pod.validateUpdate(next, always, 'status')).toEqual([]);
});
