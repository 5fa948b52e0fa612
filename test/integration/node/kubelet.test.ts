import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ConfigMap } from '#api/core/v1/config-map.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { Secret } from '#api/core/v1/secret.ts';
import type { Event } from '#api/generated/schema.ts';
import { type KubeletFixture, podOf, startKubeletFixture } from '../../node/kubelet-fixture.ts';
import { type PrivateContainerd, startPrivateContainerd } from '../../node/private-containerd.ts';

let containerd: PrivateContainerd;
let fixture: KubeletFixture;
beforeAll(async () => {
  containerd = await startPrivateContainerd('10.213.2.0/24');
  fixture = await startKubeletFixture(containerd);
});
afterAll(async () => {
  await fixture.close();
  await containerd.close();
});

const pathOf = (name: string) => `/api/v1/namespaces/default/pods/${name}`;
const until = (name: string, isWanted: (pod: Pod | undefined) => boolean) =>
  fixture.api.until<Pod>(pathOf(name), isWanted);
const condition = (pod: Pod | undefined, type: string) => pod?.status?.conditions?.find((one) => one.type === type);
const isReady = (pod: Pod | undefined) => condition(pod, 'Ready')?.status === 'True';
const create = (pod: Pod) => fixture.client.create(Pod, pod);
const events = (name: string) =>
  fixture.api.all<Event>('/api/v1/events').filter(({ involvedObject }) => involvedObject.name === name);
const exec = async (pod: Pod | undefined, command: string[]) => {
  const id = pod?.status?.containerStatuses?.[0]?.containerID?.replace('containerd://', '') ?? '';
  const { stdout } = await containerd.runtime.execSync(id, command, 10);
  return Buffer.from(stdout).toString('utf8');
};

test('a pod runs, is ready, has an address, tells its events, and goes when it is deleted', async () => {
  await create(podOf('web', { containers: [{ name: 'main' }] }));
  const pod = await until('web', isReady);
  expect(pod?.status).toMatchObject({ phase: 'Running', hostIP: '127.0.0.1', qosClass: 'BestEffort' });
  expect(pod?.status?.podIP).toMatch(/^10\.213\.2\./);
  expect(pod?.status?.containerStatuses?.[0]).toMatchObject({
    name: 'main',
    ready: true,
    started: true,
    restartCount: 0,
  });
  await until('web', () => events('web').length >= 3);
  expect(events('web').map(({ reason, message }) => `${reason}: ${message}`)).toEqual([
    'Pulled: Container image "kedge.local/test-busybox:1" already present on machine and can be accessed by the pod',
    'Created: Container created',
    'Started: Container started',
  ]);
  await fixture.client.delete(Pod, { name: 'web', namespace: 'default' }, { gracePeriodSeconds: 1 });
  await until('web', (gone) => gone === undefined);
  const left = await containerd.runtime.listPodSandboxes({
    labelSelector: { 'io.kubernetes.pod.uid': pod?.metadata.uid ?? '' },
  });
  expect(left.filter(({ state }) => state === 'SANDBOX_READY')).toEqual([]);
});

test('environment, configMap, secret, projected and memory volumes, /etc/hosts and resolv.conf are there', async () => {
  await fixture.client.create(ConfigMap, {
    metadata: { name: 'settings', namespace: 'default' },
    data: { color: 'blue' },
  });
  await fixture.client.create(Secret, {
    metadata: { name: 'keys', namespace: 'default' },
    type: 'Opaque',
    data: { pass: Buffer.from('hunter2').toString('base64') },
  });
  await create(
    podOf(
      'full',
      {
        containers: [
          {
            name: 'main',
            env: [
              { name: 'COLOR', valueFrom: { configMapKeyRef: { name: 'settings', key: 'color' } } },
              { name: 'PASS', valueFrom: { secretKeyRef: { name: 'keys', key: 'pass' } } },
              { name: 'IP', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'status.podIP' } } },
              { name: 'BOTH', value: '$(COLOR)-$(NOTHING)' },
            ],
            volumeMounts: [
              { name: 'config', mountPath: '/config' },
              { name: 'secret', mountPath: '/secret' },
              { name: 'all', mountPath: '/all' },
              { name: 'scratch', mountPath: '/scratch' },
              { name: 'config', mountPath: '/one/color', subPath: 'color' },
            ],
          },
        ],
        volumes: [
          { name: 'config', configMap: { name: 'settings', defaultMode: 0o644 } },
          { name: 'secret', secret: { secretName: 'keys', defaultMode: 0o400 } },
          { name: 'scratch', emptyDir: { medium: 'Memory' } },
          {
            name: 'all',
            projected: {
              defaultMode: 0o644,
              sources: [
                { serviceAccountToken: { path: 'token', expirationSeconds: 3600 } },
                {
                  downwardAPI: {
                    items: [{ path: 'labels', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.labels' } }],
                  },
                },
              ],
            },
          },
        ],
      },
      { labels: { app: 'full' } },
    ),
  );
  const pod = await until('full', isReady);
  const script =
    'echo $COLOR $PASS $IP $BOTH; cat /config/color /secret/pass /all/token /all/labels /one/color; stat -f -c %T /scratch; cat /etc/hosts /etc/resolv.conf; hostname';
  const said = await exec(pod, ['/bin/sh', '-c', script]);
  expect(said).toContain(`blue hunter2 ${pod?.status?.podIP} blue-$(NOTHING)`);
  expect(said).toContain('bluehunter2a.b.capp="full"blue');
  expect(said).toContain('tmpfs');
  expect(said).toContain(`${pod?.status?.podIP}\tfull`);
  expect(said).toContain('search default.svc.cluster.local svc.cluster.local cluster.local');
  expect(said).toContain('nameserver 10.96.0.10');
  await fixture.client.patch(
    ConfigMap,
    { name: 'settings', namespace: 'default' },
    { type: 'merge', patch: { data: { color: 'green' } } },
  );
  let color = '';
  while (color !== 'green') color = await exec(pod, ['/bin/cat', '/config/color']);
});

test('init containers run in order, sidecars stay, and the pod ends as its containers did', async () => {
  await create(
    podOf('steps', {
      restartPolicy: 'Never',
      initContainers: [
        {
          name: 'first',
          command: ['/bin/sh', '-c', 'echo 1 >> /data/order'],
          volumeMounts: [{ name: 'data', mountPath: '/data' }],
        },
        {
          name: 'beside',
          restartPolicy: 'Always',
          command: ['/bin/sh', '-c', 'echo 2 >> /data/order; exec sleep 1000'],
          volumeMounts: [{ name: 'data', mountPath: '/data' }],
        },
      ],
      containers: [
        {
          name: 'main',
          command: [
            '/bin/sh',
            '-c',
            'until [ $(tail -n 1 /data/order) = 2 ]; do sleep 0.1; done; cat /data/order > /dev/termination-log; exit 3',
          ],
          volumeMounts: [{ name: 'data', mountPath: '/data' }],
        },
      ],
      volumes: [{ name: 'data', emptyDir: {} }],
    }),
  );
  const pod = await until('steps', (now) => now?.status?.phase === 'Failed');
  expect(pod?.status?.containerStatuses?.[0]?.state?.terminated).toMatchObject({
    exitCode: 3,
    reason: 'Error',
    message: '1\n2\n',
  });
  expect(pod?.status?.initContainerStatuses?.[0]).toMatchObject({
    ready: true,
    state: { terminated: { exitCode: 0 } },
  });
  expect(condition(pod, 'Ready')).toMatchObject({ status: 'False', reason: 'PodFailed' });
});

test('a container that crashes is restarted at once, then later and later, and says why', async () => {
  await create(podOf('crash', { containers: [{ name: 'main', command: ['/bin/false'] }] }));
  const pod = await until(
    'crash',
    (now) => now?.status?.containerStatuses?.[0]?.state?.waiting?.reason === 'CrashLoopBackOff',
  );
  const status = pod?.status?.containerStatuses?.[0];
  expect(status).toMatchObject({ restartCount: 1, lastState: { terminated: { exitCode: 1, reason: 'Error' } } });
  expect(status?.state?.waiting?.message).toBe(
    `back-off 10s restarting failed container=main pod=crash_default(${pod?.metadata.uid})`,
  );
  expect(pod?.status?.phase).toBe('Running');
  expect(condition(pod, 'Ready')).toMatchObject({
    reason: 'ContainersNotReady',
    message: 'containers with unready status: [main]',
  });
});

test('a readiness probe decides readiness, a failing liveness probe restarts', async () => {
  await create(
    podOf('probed', {
      containers: [
        {
          name: 'main',
          command: [
            '/bin/sh',
            '-c',
            'echo up > /tmp/alive; mkdir -p /www; echo hi > /www/index.html; exec httpd -f -p 8080 -h /www',
          ],
          ports: [{ name: 'http', containerPort: 8080, protocol: 'TCP' }],
          startupProbe: {
            exec: { command: ['/bin/cat', '/www/index.html'] },
            periodSeconds: 1,
            timeoutSeconds: 5,
            successThreshold: 1,
            failureThreshold: 60,
          },
          readinessProbe: {
            httpGet: { path: '/index.html', port: 'http', scheme: 'HTTP' },
            periodSeconds: 1,
            timeoutSeconds: 5,
            successThreshold: 1,
            failureThreshold: 1,
          },
          livenessProbe: {
            exec: { command: ['/bin/cat', '/tmp/alive'] },
            periodSeconds: 1,
            timeoutSeconds: 5,
            successThreshold: 1,
            failureThreshold: 1,
          },
        },
      ],
    }),
  );
  const pod = await until('probed', isReady);
  await exec(pod, ['/bin/rm', '/www/index.html']);
  await until('probed', (now) => !isReady(now));
  const messages = () => events('probed').map(({ message }) => message);
  await expect.poll(messages).toContain('Readiness probe failed: HTTP probe failed with statuscode: 404');
  await exec(pod, ['/bin/rm', '/tmp/alive']);
  const again = await until('probed', (now) => now?.status?.containerStatuses?.[0]?.restartCount === 1);
  expect(again?.status?.containerStatuses?.[0]?.lastState?.terminated).toBeDefined();
  await expect.poll(messages).toContain('Container main failed liveness probe, will be restarted');
});

test('missing images and missing secrets are told as upstream tells them', async () => {
  await create(
    podOf('no-image', { containers: [{ name: 'main', image: 'kedge.local/none:1', imagePullPolicy: 'Never' }] }),
  );
  const never = await until(
    'no-image',
    (now) => now?.status?.containerStatuses?.[0]?.state?.waiting?.reason === 'ErrImageNeverPull',
  );
  expect(never?.status?.containerStatuses?.[0]?.state?.waiting?.message).toBe(
    'Container image "kedge.local/none:1" is not present with pull policy of Never',
  );
  await create(
    podOf('no-secret', {
      containers: [{ name: 'main', env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 'missing', key: 'a' } } }] }],
    }),
  );
  const config = await until(
    'no-secret',
    (now) => now?.status?.containerStatuses?.[0]?.state?.waiting?.reason === 'CreateContainerConfigError',
  );
  expect(config?.status?.containerStatuses?.[0]?.state?.waiting?.message).toBe('secret "missing" not found');
  await fixture.client.create(Secret, {
    metadata: { name: 'missing', namespace: 'default' },
    type: 'Opaque',
    data: { a: 'YQ==' },
  });
  await until('no-secret', isReady);
});

test('a runtime that has no users for pods of their own runs none that asks for them, and it is told why', async () => {
  await create(podOf('own-users', { hostUsers: false, containers: [{ name: 'main' }] }));
  const told = () => events('own-users').map(({ reason, message }) => `${reason}: ${message}`);
  const why =
    'can\'t set `spec.hostUsers: false`, runtime does not support user namespaces: the handler "" is not known';
  await expect
    .poll(told, { timeout: 30_000 })
    .toContain(`FailedCreatePodSandBox: Failed to create pod sandbox: ${why}`);
  expect((await containerd.runtime.listPodSandboxes()).map(({ metadata }) => metadata.name)).not.toContain('own-users');
  await fixture.client.delete(Pod, { name: 'own-users', namespace: 'default' }, { gracePeriodSeconds: 1 });
  await until('own-users', (gone) => gone === undefined);
});

test('limits reach the kernel, and a container that takes too much memory is OOMKilled', async () => {
  await create(
    podOf('greedy', {
      restartPolicy: 'Never',
      containers: [
        {
          name: 'main',
          command: ['/bin/dd', 'if=/dev/zero', 'of=/dev/null', 'bs=200M', 'count=1'],
          resources: { limits: { memory: '20Mi', cpu: '500m' }, requests: { memory: '20Mi', cpu: '500m' } },
        },
      ],
    }),
  );
  const pod = await until(
    'greedy',
    (now) => now?.status?.containerStatuses?.[0]?.state?.terminated?.reason === 'OOMKilled',
  );
  expect(pod?.status?.containerStatuses?.[0]?.state?.terminated).toMatchObject({ reason: 'OOMKilled', exitCode: 137 });
  expect(pod?.status?.qosClass).toBe('Guaranteed');
});

test('a preStop hook runs before TERM, and a container that ignores TERM is killed when its grace is over', async () => {
  await create(
    podOf('slow', {
      containers: [
        {
          name: 'main',
          command: ['/bin/sh', '-c', 'trap "" TERM; while true; do sleep 1; done'],
          lifecycle: { preStop: { exec: { command: ['/bin/sh', '-c', 'echo bye > /proc/1/fd/1'] } } },
        },
      ],
    }),
  );
  const pod = await until('slow', isReady);
  const logPath = `${containerd.directory}/pod-logs/default_slow_${pod?.metadata.uid}/main/0.log`;
  let log = '';
  const seen = until('slow', (now) => {
    if (now?.metadata.deletionTimestamp)
      try {
        log = readFileSync(logPath, 'utf8');
      } catch {
        log ||= ''; // gone with the pod
      }
    return now === undefined;
  });
  await fixture.client.delete(Pod, { name: 'slow', namespace: 'default' });
  await seen;
  expect(log).toContain('stdout F bye');
});

test('a restarted kubelet adopts its pods: nothing restarts, what was deleted meanwhile goes', async () => {
  await create(podOf('stays', { containers: [{ name: 'main' }] }));
  await create(podOf('leaves', { containers: [{ name: 'main' }] }));
  const before = await until('stays', isReady);
  await until('leaves', isReady);
  const restarting = fixture.restart();
  await restarting;
  await fixture.client.delete(Pod, { name: 'leaves', namespace: 'default' }, { gracePeriodSeconds: 1 });
  await until('leaves', (gone) => gone === undefined);
  const after = await until('stays', isReady);
  expect(after?.status?.containerStatuses).toEqual(before?.status?.containerStatuses);
});
