/** What a container is started with: environment, command, arguments, user, rights. All told by containers that end. */
import { describe, expect, test } from 'vitest';
import { eventually } from '../running-cluster.ts';
import { type Container, configMap, container, object, pod, type Story, secret, shell, tell } from './playground.ts';

type Variables = NonNullable<Container['env']>;
/** Without a shell: that would drop names that are none of its own. */
const env = (variables: Variables, parts: Partial<Container> = {}) => ({
  spec: { containers: [container({ command: ['/bin/env'], env: variables, ...parts })] },
});
const field = (name: string, fieldPath: string) => ({ name, valueFrom: { fieldRef: { fieldPath } } });
const resource = (name: string, of: string) => ({ name, valueFrom: { resourceFieldRef: { resource: of } } });
const IP = String.raw`\d+\.\d+\.\d+\.\d+`;
const LIMITED = { requests: { cpu: '100m', memory: '32Mi' }, limits: { cpu: '1250m', memory: '64Mi' } };
const AMOUNTS = [
  resource('CPU_LIMIT', 'limits.cpu'),
  resource('MEMORY_LIMIT', 'limits.memory'),
  resource('CPU_REQUEST', 'requests.cpu'),
  resource('MEMORY_REQUEST', 'requests.memory'),
];

const fromObjects: Story[] = [
  {
    name: 'ConfigMap should be consumable via environment variable',
    objects: [configMap('settings', { 'data-1': 'value-1', data_2: 'value-2' })],
    pod: env([{ name: 'CONFIG_DATA_1', valueFrom: { configMapKeyRef: { name: 'settings', key: 'data-1' } } }]),
    says: [/^CONFIG_DATA_1=value-1$/m],
  },
  {
    name: 'ConfigMap should be consumable via the environment',
    pod: env([], {
      envFrom: [{ configMapRef: { name: 'settings' } }, { prefix: 'p-', configMapRef: { name: 'settings' } }],
    }),
    says: [/^data-1=value-1$/m, /^data_2=value-2$/m, /^p-data-1=value-1$/m, /^p-data_2=value-2$/m],
  },
  {
    name: 'ConfigMap should be consumable as environment variable names with various prefixes',
    pod: env([], {
      envFrom: ['', 'p_', '1-', '$_-'].map((prefix) => ({ prefix, configMapRef: { name: 'settings' } })),
    }),
    says: [/^data-1=value-1$/m, /^p_data-1=value-1$/m, /^1-data-1=value-1$/m, /^\$_-data_2=value-2$/m],
  },
  {
    name: 'Secrets should be consumable from pods in env vars',
    objects: [secret('secrets', { 'data-1': 'value-1', data_2: 'value-2' })],
    pod: env([{ name: 'SECRET_DATA', valueFrom: { secretKeyRef: { name: 'secrets', key: 'data-1' } } }]),
    says: [/^SECRET_DATA=value-1$/m],
  },
  {
    name: 'Secrets should be consumable via the environment',
    pod: env([], { envFrom: [{ secretRef: { name: 'secrets' } }, { prefix: 'p-', secretRef: { name: 'secrets' } }] }),
    says: [/^data-1=value-1$/m, /^data_2=value-2$/m, /^p-data-1=value-1$/m, /^p-data_2=value-2$/m],
  },
  {
    name: 'Secrets should be consumable as environment variable names variable names with various prefixes',
    pod: env([], { envFrom: ['', 'p_', '1-', '$_-'].map((prefix) => ({ prefix, secretRef: { name: 'secrets' } })) }),
    says: [/^data-1=value-1$/m, /^p_data-1=value-1$/m, /^1-data-1=value-1$/m, /^\$_-data_2=value-2$/m],
  },
];

const downward: Story[] = [
  {
    name: 'Downward API should provide pod name, namespace and IP address as env vars',
    pod: env([
      field('POD_NAME', 'metadata.name'),
      field('POD_NAMESPACE', 'metadata.namespace'),
      field('POD_IP', 'status.podIP'),
    ]),
    says: [/^POD_NAME=story-\d+$/m, /^POD_NAMESPACE=conformance-environment$/m, new RegExp(`^POD_IP=${IP}$`, 'm')],
  },
  {
    name: 'Downward API should provide host IP as an env var',
    pod: env([field('HOST_IP', 'status.hostIP')]),
    says: [new RegExp(`^HOST_IP=${IP}$`, 'm')],
  },
  {
    name: 'Downward API should provide hostIPs as an env var',
    pod: env([field('HOST_IPS', 'status.hostIPs')]),
    says: [new RegExp(`^HOST_IPS=${IP}`, 'm')],
  },
  {
    name: 'Downward API should provide pod UID as env vars',
    pod: env([field('POD_UID', 'metadata.uid')]),
    says: [/^POD_UID=[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/m],
  },
  {
    name: "Downward API should provide container's limits.cpu/memory and requests.cpu/memory as env vars",
    pod: env(AMOUNTS, { resources: LIMITED }),
    says: [/^CPU_LIMIT=2$/m, /^MEMORY_LIMIT=67108864$/m, /^CPU_REQUEST=1$/m, /^MEMORY_REQUEST=33554432$/m],
  },
  {
    name: 'Downward API should provide default limits.cpu/memory from node allocatable',
    pod: env(AMOUNTS.slice(0, 2)),
    says: [/^CPU_LIMIT=[1-9]\d*$/m, /^MEMORY_LIMIT=[1-9]\d*$/m],
  },
];

const words: Story[] = [
  {
    name: 'Containers should use the image defaults if command and args are blank',
    pod: { spec: { containers: [container()] } },
    says: [/^entry default arguments\n$/],
  },
  {
    name: "Containers should be able to override the image's default arguments (container cmd)",
    pod: { spec: { containers: [container({ args: ['override', 'arguments'] })] } },
    says: [/^entry override arguments\n$/],
  },
  {
    name: "Containers should be able to override the image's default command (container entrypoint)",
    pod: { spec: { containers: [container({ command: ['/bin/echo', 'entry-2'] })] } },
    says: [/^entry-2\n$/],
  },
  {
    name: "Containers should be able to override the image's default command and arguments",
    pod: { spec: { containers: [container({ command: ['/bin/echo', 'entry-2'], args: ['override', 'arguments'] })] } },
    says: [/^entry-2 override arguments\n$/],
  },
  {
    name: 'Variable Expansion should allow composing env vars into new env vars',
    pod: env([
      { name: 'FOO', value: 'foo-value' },
      { name: 'BAR', value: 'bar-value' },
      { name: 'FOOBAR', value: '$(FOO);;$(BAR)' },
    ]),
    says: [/^FOO=foo-value$/m, /^BAR=bar-value$/m, /^FOOBAR=foo-value;;bar-value$/m],
  },
  {
    name: "Variable Expansion should allow substituting values in a container's command",
    pod: {
      spec: {
        containers: [shell('TEST_VAR=wrong echo "$(TEST_VAR)"', { env: [{ name: 'TEST_VAR', value: 'right' }] })],
      },
    },
    says: [/^right\n$/],
  },
  {
    name: "Variable Expansion should allow substituting values in a container's args",
    pod: {
      spec: {
        containers: [
          container({
            command: ['sh', '-c'],
            args: ['TEST_VAR=wrong echo "$(TEST_VAR)"'],
            env: [{ name: 'TEST_VAR', value: 'right' }],
          }),
        ],
      },
    },
    says: [/^right\n$/],
  },
  {
    name: 'Variable Expansion should allow substituting values in a volume subpath',
    pod: {
      spec: {
        volumes: [{ name: 'it', emptyDir: {} }],
        containers: [
          shell('test -d /whole/foo; echo $?', {
            env: [{ name: 'POD_NAME', value: 'foo' }],
            volumeMounts: [
              { name: 'it', mountPath: '/part', subPathExpr: '$(POD_NAME)' },
              { name: 'it', mountPath: '/whole' },
            ],
          }),
        ],
      },
    },
    says: [/^0\n$/],
  },
];

const rights: Story[] = [
  {
    name: 'Security Context When creating a container with runAsUser should run the container with uid 65534',
    pod: { spec: { containers: [shell('id -u', { securityContext: { runAsUser: 65534 } })] } },
    says: [/^65534\n$/],
  },
  {
    name: 'Security Context should support container.SecurityContext.RunAsUser And container.SecurityContext.RunAsGroup',
    pod: {
      spec: {
        securityContext: { runAsUser: 1002 },
        containers: [shell('id -u; id -g', { securityContext: { runAsUser: 1001, runAsGroup: 2002 } })],
      },
    },
    says: [/^1001\n2002\n$/],
  },
  {
    name: 'Security Context should support pod.Spec.SecurityContext.RunAsUser And pod.Spec.SecurityContext.RunAsGroup',
    pod: { spec: { securityContext: { runAsUser: 1001, runAsGroup: 2002 }, containers: [shell('id -u; id -g')] } },
    says: [/^1001\n2002\n$/],
  },
  {
    name: 'Security Context When creating a pod with privileged should run the container as unprivileged when false',
    pod: {
      spec: {
        containers: [shell('ip link add dummy0 type dummy 2>&1 || true', { securityContext: { privileged: false } })],
      },
    },
    says: ['Operation not permitted'],
  },
  {
    name: 'Security Context When creating a pod with readOnlyRootFilesystem should run the container with writable rootfs when readOnlyRootFilesystem=false',
    pod: {
      spec: {
        containers: [shell('touch /checkfile && echo written', { securityContext: { readOnlyRootFilesystem: false } })],
      },
    },
    says: [/^written\n$/],
  },
  {
    name: 'Security Context when creating containers with AllowPrivilegeEscalation should not allow privilege escalation when false',
    pod: {
      spec: {
        containers: [
          shell('id -u; grep NoNewPrivs /proc/self/status', {
            securityContext: { runAsUser: 1000, allowPrivilegeEscalation: false },
          }),
        ],
      },
    },
    says: [/^1000\nNoNewPrivs:\t1\n$/],
  },
  {
    name: 'Kubelet when scheduling a read only busybox container should not write to root filesystem',
    pod: {
      spec: {
        containers: [
          shell('echo test > /file; test ! -e /file && echo kept', {
            securityContext: { readOnlyRootFilesystem: true },
          }),
        ],
      },
    },
    says: ['Read-only file system', 'kept\n'],
  },
  {
    name: 'Kubelet when scheduling a busybox command in a pod should print the output to logs',
    pod: { spec: { containers: [shell('echo "Hello World"')] } },
    says: [/^Hello World\n$/],
  },
  {
    name: 'Kubelet when scheduling an agnhost Pod with hostAliases should write entries to /etc/hosts',
    pod: {
      spec: {
        hostAliases: [{ ip: '123.45.67.89', hostnames: ['foo', 'bar'] }],
        containers: [shell('cat /etc/hosts')],
      },
    },
    says: ['# Entries added by HostAliases.', /^123\.45\.67\.89\tfoo\tbar$/m],
  },
  {
    name: 'Sysctls should support sysctls',
    pod: {
      spec: {
        securityContext: { sysctls: [{ name: 'kernel.shm_rmid_forced', value: '1' }] },
        containers: [container({ command: ['/bin/sysctl', 'kernel.shm_rmid_forced'] })],
      },
    },
    says: ['kernel.shm_rmid_forced = 1'],
  },
];

describe('what a container is started with', () => {
  const ground = tell('environment', [...fromObjects, ...downward, ...words, ...rights], async (it) => {
    const withPath = (value: string) => ({
      spec: {
        volumes: [{ name: 'it', emptyDir: {} }],
        containers: [
          shell('sleep 1000', {
            env: [{ name: 'POD_NAME', value }],
            volumeMounts: [{ name: 'it', mountPath: '/it', subPathExpr: '$(POD_NAME)' }],
          }),
        ],
      },
    });
    const fromAnnotation = {
      volumes: [{ name: 'it', emptyDir: {} }],
      containers: [
        shell('sleep 1000', {
          env: [{ name: 'POD_NAME', value: 'foo' }, field('ANNOTATION', "metadata.annotations['mysubpath']")],
          volumeMounts: [
            { name: 'it', mountPath: '/part', subPathExpr: '$(ANNOTATION)/$(POD_NAME)' },
            { name: 'it', mountPath: '/whole' },
          ],
        }),
      ],
    };
    await it.create(
      pod('backticks', withPath('..')),
      pod('absolute', withPath('/tmp')),
      pod('mended', { annotations: { notmysubpath: 'mypath' }, spec: fromAnnotation }),
      pod('writing', { annotations: { mysubpath: 'mypath' }, spec: fromAnnotation }),
      object('Service', 'fooservice', {
        spec: { ports: [{ port: 8765, targetPort: 8080 }], selector: { app: 'none' } },
      }),
    );
    return undefined;
  });

  const waitsFor = (name: string, reason: string) =>
    ground().podWhen(
      name,
      `waits with ${reason}`,
      ({ status }) => status?.containerStatuses?.[0]?.state?.waiting?.reason === reason,
    );

  for (const [how, name] of [
    ['with backticks', 'backticks'],
    ['with absolute path', 'absolute'],
  ] as const) {
    test(`Variable Expansion should fail substituting values in a volume subpath ${how}`, async () => {
      await waitsFor(name, 'CreateContainerConfigError');
    });
  }

  test('Variable Expansion should verify that a failing subpath expansion can be modified during the lifecycle of a container', async () => {
    await waitsFor('mended', 'CreateContainerConfigError');
    const path = ground().path('Pod', 'v1', 'mended');
    await ground().api.patch(path, { metadata: { annotations: { mysubpath: 'mypath' } } });
    await ground().ready('mended');
    await ground().api.delete(path);
    await ground().gone(path);
  });

  test('Variable Expansion should succeed in writing subpaths in container', async () => {
    const path = ground().path('Pod', 'v1', 'writing');
    await ground().ready('writing');
    await ground().exec('writing', 'touch /whole/mypath/foo/test.log');
    await ground().exec('writing', 'test -f /part/test.log');
    await ground().api.patch(path, { metadata: { annotations: { mysubpath: 'mynewpath' } } });
    await ground().ready('writing');
    await ground().api.delete(path);
    await ground().gone(path);
  });

  test('Pods should contain environment variables for services', async () => {
    const { spec } = await ground().api.get<{ spec: { clusterIP: string } }>(
      ground().path('Service', 'v1', 'fooservice'),
    );
    const expected = [
      `FOOSERVICE_SERVICE_HOST=${spec.clusterIP}`,
      'FOOSERVICE_SERVICE_PORT=8765',
      `FOOSERVICE_PORT=tcp://${spec.clusterIP}:8765`,
      `FOOSERVICE_PORT_8765_TCP=tcp://${spec.clusterIP}:8765`,
      'FOOSERVICE_PORT_8765_TCP_PROTO=tcp',
      'FOOSERVICE_PORT_8765_TCP_PORT=8765',
      `FOOSERVICE_PORT_8765_TCP_ADDR=${spec.clusterIP}`,
    ];
    await ground().create(pod('after-service', { spec: { containers: [shell('env')] } }));
    await ground().ended('after-service');
    expect((await ground().log('after-service')).split('\n')).toEqual(expect.arrayContaining(expected));
  });

  test('Sysctls should reject invalid sysctls', async () => {
    const sysctls = ['foo-', 'kernel.shmmax', 'safe-and-unsafe', 'bar..'].map((name) => ({ name, value: '1' }));
    const refused = pod('sysctls', { spec: { securityContext: { sysctls } } });
    const { code, text } = await ground().api.try('POST', ground().path('Pod'), refused);
    const { message } = JSON.parse(text) as { message: string };
    expect(code).toBe(422);
    expect(message).toContain('Invalid value: "foo-"');
    expect(message).toContain('Invalid value: "bar.."');
    expect(message).not.toContain('safe-and-unsafe');
    expect(message).not.toContain('kernel.shmmax');
  });

  for (const [title, kind] of [
    ['ConfigMap should fail to create ConfigMap with empty key', 'ConfigMap'],
    ['Secrets should fail to create secret due to empty secret key', 'Secret'],
  ] as const) {
    test(title, async () => {
      const { code } = await ground().api.try('POST', ground().path(kind), {
        metadata: { name: 'x' },
        data: { '': 'dg==' },
      });
      expect(code).toBe(422);
    });
  }

  test('ConfigMap should update ConfigMap successfully', async () => {
    await ground().create(configMap('updated', { before: '1' }));
    const path = ground().path('ConfigMap', 'v1', 'updated');
    const found = await ground().api.get(path);
    await ground().api.put(path, { ...found, data: { after: '2' } });
    expect(await ground().api.get(path)).toMatchObject({ data: { after: '2' } });
  });

  test('ConfigMap should run through a ConfigMap lifecycle', async () => {
    const { api } = ground();
    const path = ground().path('ConfigMap', 'v1', 'lived');
    const seen = api.watch(`${ground().path('ConfigMap')}?labelSelector=lived`);
    const seenType = (type: string, labels: string) =>
      eventually(`${type} ${labels}`, async () =>
        seen.events.some((event) => event.type === type && event.object.metadata.labels?.['lived'] === labels),
      );
    try {
      await api.post(ground().path('ConfigMap'), {
        metadata: { name: 'lived', labels: { lived: 'young' } },
        data: { a: '1' },
      });
      await seenType('ADDED', 'young');
      await api.patch(path, { metadata: { labels: { lived: 'old' } }, data: { a: '2' } });
      await seenType('MODIFIED', 'old');
      expect(await api.get(path)).toMatchObject({ data: { a: '2' } });
      const all = await api.get<{ items: unknown[] }>('/api/v1/configmaps?labelSelector=lived%3Dold');
      expect(all.items).toHaveLength(1);
      await api.delete(`${ground().path('ConfigMap')}?labelSelector=lived%3Dold`);
      await seenType('DELETED', 'old');
      expect((await api.get<{ items: unknown[] }>('/api/v1/configmaps?labelSelector=lived')).items).toEqual([]);
    } finally {
      seen.stop();
    }
  });

  test('Secrets should patch a secret', async () => {
    const { api } = ground();
    const path = ground().path('Secret', 'v1', 'patched');
    await ground().create({
      ...secret('patched', { key: 'value' }),
      metadata: { name: 'patched', labels: { constant: 'true' } },
    });
    const listed = await api.get<{ items: { metadata: { name: string } }[] }>(
      '/api/v1/secrets?labelSelector=constant%3Dtrue',
    );
    expect(listed.items.map(({ metadata }) => metadata.name)).toEqual(['patched']);
    const change = {
      metadata: { labels: { patched: 'true' } },
      data: { key: Buffer.from('value1').toString('base64') },
    };
    await api.patch(path, change, 'strategic');
    expect(await api.get(path)).toMatchObject(change);
    await api.delete(`${ground().path('Secret')}?labelSelector=patched%3Dtrue`);
    expect((await api.get<{ items: unknown[] }>('/api/v1/secrets?labelSelector=constant%3Dtrue')).items).toEqual([]);
  });
});
