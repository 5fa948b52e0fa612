/** An ordinary pull: an image that no node has comes from a registry. The registry stands in the node's own network, on its loopback. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { eventually, KedgeCluster } from './running-cluster.ts';

const cluster = new KedgeCluster(inject('cluster'));
const folder = mkdtempSync(join(tmpdir(), 'kedge-registry-'));
let registry: ChildProcess | undefined;

/** The reading half of the distribution protocol over an unpacked OCI archive. argv: the folder. */
const REGISTRY = `
const { createServer } = require('node:http'), { readFileSync } = require('node:fs'), [, folder] = process.argv;
const blob = (digest) => readFileSync(folder + '/blobs/' + digest.replace(':', '/'));
const { digest, mediaType } = JSON.parse(readFileSync(folder + '/index.json')).manifests[0];
createServer((request, response) => {
  const [, kind, ref] = /^\\/v2\\/pulled\\/(manifests|blobs)\\/(.+)$/.exec(request.url) ?? [];
  if (request.url === '/v2/') return response.end('{}');
  if (!kind || (kind === 'manifests' && !['1', digest].includes(ref))) return response.writeHead(404).end();
  const body = blob(kind === 'manifests' ? digest : ref);
  response.writeHead(200, { 'content-type': kind === 'manifests' ? mediaType : 'application/octet-stream', 'content-length': body.length, 'docker-content-digest': kind === 'manifests' ? digest : ref });
  response.end(request.method === 'HEAD' ? undefined : body);
}).listen(5000, '127.0.0.1', () => console.log('listening'));
`;

const podOf = (name: string, image: string) => `
apiVersion: v1
kind: Pod
metadata: {name: ${name}}
spec:
  nodeName: node1
  terminationGracePeriodSeconds: 0
  containers: [{name: main, image: "${image}", command: [/bin/busybox, sleep, "1000"]}]
`;

beforeAll(async () => {
  mkdirSync(join(folder, 'image/bin'), { recursive: true });
  copyFileSync('/bin/busybox', join(folder, 'image/bin/busybox'));
  mkdirSync(join(folder, 'image/etc'));
  writeFileSync(join(folder, 'image/data.json'), '{"picture": "kitten.jpg"}');
  writeFileSync(join(folder, 'image/etc/os-release'), 'NAME="Of the volume"\n');
  const archive = join(folder, 'image.tar');
  await cluster.kedge('image', 'build', join(folder, 'image'), '--tag', 'localhost:5000/pulled:1', '--output', archive);
  mkdirSync(join(folder, 'oci'));
  execFileSync('tar', ['-xf', archive, '-C', join(folder, 'oci')]);
  const { processes } = JSON.parse(await cluster.kedge('status', '--name', cluster.name, '--json')) as {
    processes: { name: string; pid: number }[];
  };
  const kubelet = processes.find(({ name }) => name === 'node1/kubelet')?.pid;
  const child = spawn(
    'nsenter',
    ['--net', '--target', String(kubelet), process.execPath, '-e', REGISTRY, join(folder, 'oci')],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  registry = child;
  await new Promise((listening) => child.stdout.once('data', listening));
});
afterAll(async () => {
  registry?.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
  await cluster.tryKubectl([
    'delete',
    'pod',
    'pulls',
    'pulls-nothing',
    'image-volume',
    '--ignore-not-found',
    '--force',
    '--grace-period=0',
  ]);
});

test('an image is pulled from a registry, and one that is not there is told', async () => {
  await cluster.apply(podOf('pulls', 'localhost:5000/pulled:1'));
  await cluster.apply(podOf('pulls-nothing', 'localhost:5000/absent:1'));
  await cluster.kubectl('wait', 'pod/pulls', '--for=condition=Ready', '--timeout=60s');
  const told = await cluster.kubectl('describe', 'pod', 'pulls');
  expect(told).toContain('Pulling image "localhost:5000/pulled:1"');
  expect(told).toMatch(/Successfully pulled image "localhost:5000\/pulled:1" in \d+/);
  expect(
    await cluster.kubectl('get', 'pod', 'pulls', '-o', 'jsonpath={.status.containerStatuses[0].imageID}'),
  ).toContain('@sha256:');
  const described = () => cluster.kubectl('describe', 'pod', 'pulls-nothing');
  await eventually('the failed pull backs off', async () => {
    const text = await described();
    if (!/Reason: +ImagePullBackOff/.test(text)) throw new Error(text);
    return true;
  });
  expect(await described()).toContain('Failed to pull image "localhost:5000/absent:1"');
});

test('ImageVolume should succeed with pod and pull policy of Always', async () => {
  const volume = '{name: volume, image: {reference: "localhost:5000/pulled:1", pullPolicy: Always}}';
  const mount = 'volumeMounts: [{name: volume, mountPath: /volume}]';
  const manifest = podOf('image-volume', 'localhost:5000/pulled:1').replace('"1000"]}]', `"1000"], ${mount}}]`);
  await cluster.apply(`${manifest}  volumes: [${volume}]\n`);
  await cluster.kubectl('wait', 'pod/image-volume', '--for=condition=Ready', '--timeout=60s');
  const said = (path: string) => cluster.kubectl('exec', 'image-volume', '--', '/bin/busybox', 'cat', path);
  expect(await said('/volume/data.json')).toContain('kitten.jpg');
  expect(await said('/volume/etc/os-release')).toContain('Of the volume');
  const written = await cluster.tryKubectl(['exec', 'image-volume', '--', '/bin/busybox', 'touch', '/volume/x']);
  expect(written.stderr).toContain('Read-only file system');
});
