/**
 * The cluster's image registry, and images built from a Dockerfile: pushed on the host by our command and by stock clients,
 * pulled by both nodes under the same name. Ordinary pulls, refusals and image volumes are shown with it.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { PRIVATE_REGISTRY, PULLER, registryOf, registryUrl, startPrivateRegistry } from './private-registry.ts';
import { eventually, holds, KEDGE, KedgeCluster, run } from './running-cluster.ts';

const cluster = new KedgeCluster(inject('cluster'));
const named = ['--name', cluster.name];
const folder = mkdtempSync(join(tmpdir(), 'kedge-registry-'));
const source = join(folder, 'source');
const archive = join(folder, 'image.tar');
const hasSkopeo = () => spawnSync('skopeo', ['--version']).status === 0;
const PODS = [
  'pulls-1',
  'pulls-2',
  'pulls-nothing',
  'image-volume',
  'asks-registry',
  'by-pod',
  'by-account',
  'by-nobody',
];
/** `localhost:5000`, as the ConfigMap says it. */
let registry: string;
let guarded: ChildProcess | undefined;

const DOCKERFILE = `
FROM scratch AS tools
COPY busybox /bin/
RUN ["/bin/busybox", "--install", "-s", "/bin"]
RUN id -u > /by-root && test "$(ls /sys/class/net)" = lo

FROM tools
WORKDIR /srv
COPY . .
RUN rm /srv/busybox
USER 1234
ENV GREETING="hello from a Dockerfile"
RUN test "$(id -u) $GREETING" = "1234 hello from a Dockerfile"
CMD ["/bin/sh", "-c", "echo $GREETING; exec sleep 1000"]
`;

const podOf = (name: string, { image, node = 'node1', command = '' }: Record<string, string>) => `
apiVersion: v1
kind: Pod
metadata: {name: ${name}}
spec:
  nodeName: ${node}
  terminationGracePeriodSeconds: 0
  containers: [{name: main, image: "${image}"${command && `, command: ${command}`}}]
`;

beforeAll(async () => {
  mkdirSync(join(source, 'etc'), { recursive: true });
  copyFileSync('/bin/busybox', join(source, 'busybox'));
  writeFileSync(join(source, 'Dockerfile'), DOCKERFILE);
  writeFileSync(join(source, '.dockerignore'), 'secret\n');
  writeFileSync(join(source, 'secret'), 'not for images');
  writeFileSync(join(source, 'data.json'), '{"picture": "kitten.jpg"}');
  writeFileSync(join(source, 'etc/os-release'), 'NAME="Of the volume"\n');
  registry = await registryOf(cluster);
});
afterAll(async () => {
  guarded?.kill('SIGKILL');
  await cluster.tryKubectl(['delete', 'secret/puller', 'serviceaccount/puller', '--ignore-not-found']);
  rmSync(folder, { recursive: true, force: true });
  await cluster.tryKubectl(['delete', 'pod', ...PODS, '--ignore-not-found', '--force', '--grace-period=0']);
});

test('a build is killed in the middle of a command', async () => {
  const context = join(folder, 'killed');
  mkdirSync(context);
  copyFileSync('/bin/busybox', join(context, 'sh'));
  copyFileSync('/bin/busybox', join(context, 'sleep'));
  writeFileSync(join(context, 'token'), 'hush-hush');
  writeFileSync(
    join(context, 'Dockerfile'),
    'FROM scratch\nCOPY sh sleep /bin/\nRUN --mount=type=secret,id=token sleep 86400\n',
  );
  const secret = ['--secret', `id=token,src=${join(context, 'token')}`];
  const argv = ['image', 'build', context, '--tag', 'kedge.local/never:1', ...secret, ...named];
  const build = spawn(process.execPath, [KEDGE, ...argv], { stdio: 'ignore' });
  await eventually('its command runs', async () =>
    (await ctr('node1', 'tasks', 'list')).split('\n').some((line) => line.endsWith('RUNNING')),
  ).finally(() => build.kill('SIGKILL'));
  expect(await ctr('node1', 'containers', 'list', '--quiet')).not.toBe(''); // what becomes of it: at the end
});

/** Of containerd, in the namespace of builds. */
async function ctr(node: string, ...args: string[]): Promise<string> {
  const socket = `/run/kedge/${cluster.name}/${node}/c.sock`;
  const { code, stdout, stderr } = await run('ctr', ['--address', socket, '--namespace', 'kedge-build', ...args]);
  expect(code, stderr).toBe(0);
  return stdout.trim();
}

test('an image built from a Dockerfile is pushed, and a pod on each node runs it', async () => {
  const image = `${registry}/team/web:1`;
  const built = await cluster.try('image', 'build', source, '--tag', image, ...named);
  expect(built.code, built.stderr).toBe(0);
  expect(built.stderr).toContain("is in the cluster's registry");
  await cluster.apply(`${podOf('pulls-1', { image })}---${podOf('pulls-2', { image, node: 'node2' })}`);
  await cluster.apply(podOf('pulls-nothing', { image: `${registry}/absent:1` }));
  await cluster.kubectl('wait', 'pod/pulls-1', 'pod/pulls-2', '--for=condition=Ready', '--timeout=180s');
  await holds('its command has spoken', async () =>
    expect(await cluster.kubectl('logs', 'pulls-2')).toBe('hello from a Dockerfile\n'),
  );
  const said = await cluster.kubectl('exec', 'pulls-1', '--', 'sh', '-c', 'id -u; cat /by-root; ls /srv');
  expect(said.split('\n')).toEqual(['1234', '0', 'Dockerfile', 'data.json', 'etc', '']);
  await holds('Events tell of the pull', async () => {
    const told = await cluster.kubectl('describe', 'pod', 'pulls-1');
    expect(told).toContain(`Pulling image "${image}"`);
    expect(told).toMatch(/Successfully pulled image "localhost:\d+\/team\/web:1" in \d+/);
  });
  expect(
    await cluster.kubectl('get', 'pod', 'pulls-1', '-o', 'jsonpath={.status.containerStatuses[0].imageID}'),
  ).toContain(`${registry}/team/web@sha256:`);
});

test('ImageVolume should succeed with pod and pull policy of Always', async () => {
  const volume = `{name: volume, image: {reference: "${registry}/team/web:1", pullPolicy: Always}}`;
  const mount = 'volumeMounts: [{name: volume, mountPath: /volume, subPath: srv}]';
  const manifest = podOf('image-volume', { image: `${registry}/team/web:1` }).replace('"}]', `", ${mount}}]`);
  await cluster.apply(`${manifest}  volumes: [${volume}]\n`);
  await cluster.kubectl('wait', 'pod/image-volume', '--for=condition=Ready', '--timeout=180s');
  const said = (path: string) => cluster.kubectl('exec', 'image-volume', '--', 'cat', path);
  expect(await said('/volume/data.json')).toContain('kitten.jpg');
  expect(await said('/volume/etc/os-release')).toContain('Of the volume');
  const written = await cluster.tryKubectl(['exec', 'image-volume', '--', 'touch', '/volume/x']);
  expect(written.stderr).toContain('Read-only file system');
});

test('a private registry is pulled from with the secrets of the pod, or of its account', async () => {
  guarded = await startPrivateRegistry(cluster, 'node1');
  const { username, password } = PULLER;
  const login = [
    `--docker-server=${PRIVATE_REGISTRY}`,
    `--docker-username=${username}`,
    `--docker-password=${password}`,
  ];
  await cluster.kubectl('create', 'secret', 'docker-registry', 'puller', ...login);
  await cluster.apply(
    'apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: puller}\nimagePullSecrets: [{name: puller}]\n',
  );
  const pod = (name: string, more: string) =>
    podOf(name, { image: `${PRIVATE_REGISTRY}/team/web:1` })
      .replace('spec:\n', `spec:\n${more}`)
      .replace('"}]', '", imagePullPolicy: Always}]');
  await cluster.apply(pod('by-nobody', ''));
  await eventually('a pull without a password is refused', async () => {
    const told = await cluster.kubectl('describe', 'pod', 'by-nobody');
    if (!/Failed to pull image .*(401 Unauthorized|authorization failed)/.test(told)) throw new Error(told);
    return true;
  });
  await cluster.apply(pod('by-pod', '  imagePullSecrets: [{name: puller}]\n'));
  await cluster.apply(pod('by-account', '  serviceAccountName: puller\n'));
  await cluster.kubectl('wait', 'pod/by-pod', 'pod/by-account', '--for=condition=Ready', '--timeout=180s');
});

test('an archive is pushed under a name of the registry, and under no other', async () => {
  await cluster.kedge('image', 'build', source, '--tag', 'kedge.local/other:1', '--output', archive, ...named);
  await cluster.kedge('image', 'push', archive, '--as', `${registry}/other:1`, ...named);
  const elsewhere = await cluster.try('image', 'push', archive, ...named);
  expect(elsewhere.stderr).toContain(`give one with --as ${registry}/other:1`);
  expect(await tags()).toEqual({ name: 'other', tags: ['1'] });
});

const tags = async () => (await fetch(`http://${registry}/v2/other/tags/list`)).json();

test.skipIf(!hasSkopeo())('skopeo pushes, pulls and deletes', async () => {
  const state = join(folder, 'skopeo');
  const insecure = ['--insecure-policy', 'copy'];
  const target = `docker://${registry}/other:2`;
  const pushed = await run('skopeo', [...insecure, '--dest-tls-verify=false', `oci-archive:${archive}`, target]);
  expect(pushed.code, pushed.stderr).toBe(0);
  const pulled = await run('skopeo', [...insecure, '--src-tls-verify=false', target, `oci:${state}:2`]);
  expect(pulled.code, pulled.stderr).toBe(0);
  expect(await tags()).toEqual({ name: 'other', tags: ['1', '2'] });
  const deleted = await run('skopeo', ['--insecure-policy', 'delete', '--tls-verify=false', target]);
  expect(deleted.code, deleted.stderr).toBe(0);
});

test('pods are turned away, and so is another user of the host', async () => {
  const url = await registryUrl(cluster);
  const ask = `["sh", "-c", "wget -S -qO- ${url}/v2/_catalog 2>&1; sleep 1000"]`;
  await cluster.apply(podOf('asks-registry', { image: `${registry}/team/web:1`, command: ask }));
  await cluster.kubectl('wait', 'pod/asks-registry', '--for=condition=Ready', '--timeout=180s');
  await eventually('the pod has asked', async () => (await cluster.kubectl('logs', 'asks-registry')).includes('403'));
  const read = `require('http').get('http://${registry}/v2/other/manifests/1', (r) => console.log(r.statusCode))`;
  const asNobody = ['--reuid=65534', '--regid=65534', '--clear-groups', process.execPath, '-e', read];
  expect((await run('setpriv', asNobody)).stdout).toBe('403\n');
});

test('two builds of one base at once; what commands keep and what they are told in secret is in no layer', async () => {
  await cluster.kedge('image', 'push', archive, '--as', `${registry}/base:1`, ...named); // no node has it yet
  const context = join(folder, 'twice');
  mkdirSync(context);
  writeFileSync(join(context, 'token'), 'hush-hush');
  const file = (name: string, command: string) => {
    const mounts = '--mount=type=cache,target=/kept --mount=type=secret,id=token';
    writeFileSync(
      join(context, name),
      `FROM ${registry}/base:1\nUSER 0\nRUN ${mounts} <<EOF\ntest "$(cat /run/secrets/token)" = hush-hush && ${command}\nEOF\n`,
    );
    return join(context, name);
  };
  const build = (name: string, command: string) => {
    const output = ['--tag', `kedge.local/${name}:1`, '--output', join(folder, `${name}.tar`)];
    const secret = ['--secret', `id=token,src=${join(context, 'token')}`];
    return cluster.try('image', 'build', context, '--file', file(name, command), ...output, ...secret, ...named);
  };
  const both = await Promise.all(['first', 'second'].map((name) => build(name, `echo ${name} >> /kept/builds`)));
  for (const { code, stderr } of both) expect(code, stderr).toBe(0);
  const third = await build('third', 'sort /kept/builds > /seen');
  expect(third.code, third.stderr).toBe(0);
  const archives = ['first', 'second', 'third'].map((name) => readFileSync(join(folder, `${name}.tar`)));
  expect(archives.map((bytes) => bytes.includes('hush-hush'))).toEqual([false, false, false]);
  expect(archives.map((bytes) => bytes.includes('first\nsecond\n'))).toEqual([false, false, true]);
});

test('an image that the registry does not have backs off', async () => {
  await eventually('the failed pull backs off, and an Event tells of it', async () => {
    const text = await cluster.kubectl('describe', 'pod', 'pulls-nothing');
    const backsOff = /Reason: +ImagePullBackOff/.test(text);
    if (!backsOff || !text.includes(`Failed to pull image "${registry}/absent:1"`)) throw new Error(text);
    return true;
  });
});

test('a build leaves nothing in the containerd that ran its commands', async () => {
  const failing = join(folder, 'failing');
  mkdirSync(failing);
  copyFileSync('/bin/busybox', join(failing, 'sh'));
  writeFileSync(join(failing, 'Dockerfile'), 'FROM scratch\nCOPY sh /bin/\nRUN exit 7\n');
  const built = await cluster.try('image', 'build', failing, '--tag', 'kedge.local/never:1', ...named);
  expect(built.stderr).toContain('Dockerfile:3: RUN ended with exit code 7');
  for (const node of ['node1', 'node2']) {
    // What the killed one has left is taken away when the node looks for such things.
    await eventually(`what commands had on ${node} has gone`, async () => {
      const left = [
        ...(await Promise.all(['containers', 'images', 'tasks'].map((what) => ctr(node, what, 'list', '--quiet')))),
        ...(await run('pgrep', ['-f', processesIn(node)])).stdout.split('\n'),
        ...namesIn(`/run/kedge/${cluster.name}/${node}/build`),
      ].filter(Boolean);
      if (left.length > 0) throw new Error(left.join('\n'));
      return true;
    });
    await eventually(`snapshots on ${node} are collected`, async () => {
      const list = await ctr(node, 'snapshots', '--snapshotter', 'overlayfs', 'list');
      return list.split('\n').length === 1; // its head
    });
  }
});

/** Shims and containerd's tool, with what tells them from those of others. */
function processesIn(node: string): string {
  const socket = `/run/kedge/${cluster.name}/${node}/c.sock`;
  return `(-namespace kedge-build .*${socket}|${socket} --namespace kedge-build)`;
}
const namesIn = (path: string) => (existsSync(path) ? readdirSync(path) : []);
