/**
 * A cluster whose nodes were given a KubeletConfiguration and a CNI configuration: what is reserved, static pods, the graceful
 * end, the pods' network; and simulated nodes beside them.
 */
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Node, Pod } from '#api/generated/schema.ts';
import { quantityMilliValue, quantityValue } from '#api/machinery/quantity.ts';
import { IMAGE, imageOn, SERVER } from './conformance/image.ts';
import { container, object, pod } from './conformance/playground.ts';
import { PRIVATE_REGISTRY, PULLER, registryOf, startPrivateRegistry } from './private-registry.ts';
import { eventually, holds, KedgeCluster } from './running-cluster.ts';

const MI = 1024 ** 2;
const folder = mkdtempSync(join(tmpdir(), 'kedge-node-configuration-'));
const manifests = join(folder, 'manifests');
const cluster = new KedgeCluster(`nodeconf${process.pid}`);
const NODE = 'node1';
const STATIC = `hello-${NODE}`;

const configuration = `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
staticPodPath: ${manifests}
maxPods: 42
kubeReserved: { cpu: 100m, memory: 128Mi }
systemReserved: { memory: 64Mi }
evictionHard: { memory.available: 50Mi }
shutdownGracePeriod: 20s
shutdownGracePeriodCriticalPods: 5s
`;
/** Other plugins than Kedge's own. */
const NETWORK = {
  cniVersion: '0.4.0',
  name: 'mine',
  plugins: [
    {
      type: 'bridge',
      bridge: 'cni-mine',
      isGateway: true,
      hairpinMode: true,
      mtu: '$MTU',
      ipam: {
        type: 'host-local',
        dataDir: '$STATE_DIR',
        ranges: [[{ subnet: '$POD_RANGE_IPV4' }]],
        routes: [{ dst: '0.0.0.0/0' }],
      },
    },
    { type: 'tuning', sysctl: { 'net.ipv4.ip_default_ttl': '42' } },
  ],
};
/** Asked by the kubelet, with a token of the pod's account; writes down what it was asked. */
const plugins = join(folder, 'plugins');
const PROVIDERS = `apiVersion: kubelet.config.k8s.io/v1
kind: CredentialProviderConfig
providers:
  - name: helper
    apiVersion: credentialprovider.kubelet.k8s.io/v1
    matchImages: ["${PRIVATE_REGISTRY}"]
    defaultCacheDuration: 1m
    env: [{ name: PASSWORD, value: "${PULLER.password}" }]
    tokenAttributes:
      serviceAccountTokenAudience: registry
      cacheType: ServiceAccount
      requireServiceAccount: true
      requiredServiceAccountAnnotationKeys: [example.com/registry-user]
`;
const HELPER = `#!/bin/sh
cat > ${plugins}/asked.json
echo '{"kind":"CredentialProviderResponse","apiVersion":"credentialprovider.kubelet.k8s.io/v1","cacheKeyType":"Image",
  "auth":{"${PRIVATE_REGISTRY}":{"username":"${PULLER.username}","password":"'"$PASSWORD"'"}}}'
`;
/** Whose images the registry gives out, and the right of nodes to ask for tokens for it. */
const HOLDER = `apiVersion: v1
kind: ServiceAccount
metadata: { name: holder, annotations: { example.com/registry-user: puller } }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: { name: registry-audience }
rules: [{ apiGroups: [""], resources: [registry], verbs: [request-serviceaccounts-token-audience] }]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: { name: registry-audience }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: registry-audience }
subjects: [{ apiGroup: rbac.authorization.k8s.io, kind: Group, name: "system:nodes" }]
---
`;
const hello = (greeting: string) => `apiVersion: v1
kind: Pod
metadata: { name: hello }
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - { name: main, image: "${IMAGE}", command: [sh, -c, "echo ${greeting}; trap 'exit 0' TERM; sleep 86400 & wait"] }
`;
const pods = () => cluster.json<{ items: Pod[] }>('get', 'pods');
const isReady = ({ status }: Pod) =>
  status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True');
const ready = (name: string, check: (pod: Pod) => boolean = () => true) =>
  eventually(`${name} is ready`, async () =>
    (await pods()).items.find((pod) => pod.metadata.name === name && isReady(pod) && check(pod)),
  );

/** Ready is who was started; what it says comes after. */
const logs = (name: string, text: string) =>
  holds(`${name} has spoken`, async () => expect(await cluster.kubectl('logs', name)).toBe(text));

const applied = (...items: object[]) => cluster.apply(JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
const meshPod = (name: string, app: string, nodeName: string) => {
  const ports = [{ containerPort: 8080, ...(app === 'meshed' && { hostPort: 18_081 }) }];
  const spec = { nodeName, terminationGracePeriodSeconds: 0, containers: [container({ command: SERVER, ports })] };
  return pod(name, { labels: { app }, spec });
};
/** What a pod is answered: see `ask.mjs` of the image. */
const answers = async (name: string, questions: readonly object[]): Promise<string[]> =>
  JSON.parse(await cluster.kubectl('exec', name, '--', 'node', '/ask.mjs', JSON.stringify(questions)));

describe('a node with a configuration of its own', () => {
  beforeAll(async () => {
    mkdirSync(manifests);
    writeFileSync(join(folder, 'kubelet.yaml'), configuration);
    writeFileSync(join(folder, 'cni.conflist'), JSON.stringify(NETWORK));
    writeFileSync(join(folder, 'providers.yaml'), PROVIDERS);
    mkdirSync(plugins);
    writeFileSync(join(plugins, 'helper'), HELPER, { mode: 0o755 });
    const files = ['--kubelet-config', join(folder, 'kubelet.yaml'), '--cni-config', join(folder, 'cni.conflist')];
    const providers = ['config', join(folder, 'providers.yaml'), 'bin-dir', plugins].map((word, at) =>
      at % 2 === 0 ? `--image-credential-provider-${word}` : word,
    );
    await cluster.up('--nodes', '1', '--simulated-nodes', '2', ...files, ...providers);
    await imageOn(cluster);
  });
  afterAll(async () => {
    await cluster.down();
    rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
  });

  test('what is reserved is not given away, and the configuration can be asked for', async () => {
    const { status } = await cluster.json<Node>('get', 'node', NODE);
    const { capacity = {}, allocatable = {} } = status ?? {};
    expect(allocatable['pods']).toBe('42');
    expect(quantityMilliValue(capacity['cpu']) - quantityMilliValue(allocatable['cpu'])).toBe(100);
    expect(quantityValue(capacity['memory']) - quantityValue(allocatable['memory'])).toBe((128 + 64 + 50) * MI);
    const { kubeletconfig } = JSON.parse(await cluster.kubectl('get', '--raw', `/api/v1/nodes/${NODE}/proxy/configz`));
    expect(kubeletconfig).toMatchObject({ maxPods: 42, evictionHard: { 'memory.available': '50Mi' } });
  });

  test('a manifest in the folder is a pod that nobody can delete, and that ends with its file', async () => {
    const file = join(manifests, 'hello.yaml');
    writeFileSync(file, hello('first'));
    const first = await ready(STATIC);
    expect(readFileSync(`/proc/${kubeletPid()}/net/dev`, 'utf8')).toContain('cni-mine:'); // its network is the user's
    expect(first.metadata.annotations?.['kubernetes.io/config.source']).toBe('file');
    expect(first.metadata.ownerReferences?.[0]).toMatchObject({ kind: 'Node', name: NODE });
    await logs(STATIC, 'first\n');
    expect(await cluster.kubectl('describe', 'pod', STATIC)).toMatch(/Controlled By: +Node\/node1/);
    const runs = first.status?.containerStatuses?.[0]?.containerID;
    await cluster.kubectl('delete', 'pod', STATIC, '--wait=false');
    const again = await ready(STATIC, ({ metadata }) => metadata.uid !== first.metadata.uid);
    expect(again.status?.containerStatuses?.[0]?.containerID).toBe(runs);

    writeFileSync(file, hello('second'));
    await ready(STATIC, ({ status }) => status?.containerStatuses?.[0]?.containerID !== runs);
    await logs(STATIC, 'second\n');
    rmSync(file);
    await eventually('it is gone', async () => (await pods()).items.every(({ metadata }) => metadata.name !== STATIC));
  });

  test('what tolerates simulated nodes runs on paper beside what runs for real', async () => {
    const tolerant = `
  nodeSelector: { kedge.dev/simulated: "true" }
  tolerations: [{ key: kedge.dev/simulated, operator: Exists }]
  containers: [{ name: main, image: "example/not-there:1" }]`;
    const meta = 'metadata: { name: paper, annotations: { kedge.dev/simulated-logs: "written on paper\\n" } }';
    const real = hello('done by hand').replace('name: hello', 'name: real');
    await cluster.kubectl('wait', 'node', '--all', '--for=condition=Ready', '--timeout=180s');
    await cluster.apply(`apiVersion: v1\nkind: Pod\n${meta}\nspec:${tolerant}\n---\n${real}`);
    const [paper, byHand] = [await ready('paper'), await ready('real')];
    expect(paper.spec.nodeName).toMatch(/^simulated-[12]$/);
    expect(byHand.spec.nodeName).toBe(NODE);
    await logs('paper', 'written on paper\n');
    await logs('real', 'done by hand\n');
    await cluster.kubectl('delete', 'pod', 'paper', 'real');
  });

  test("a program that knows passwords gets a token of the pod's account, and its answer lets the node pull", async () => {
    const source = join(folder, 'image');
    mkdirSync(join(source, 'bin'), { recursive: true });
    copyFileSync('/bin/busybox', join(source, 'bin/sh'));
    const image = ['--tag', `${await registryOf(cluster)}/held:1`, '--name', cluster.name];
    await cluster.kedge('image', 'build', source, ...image);
    const registry = await startPrivateRegistry(cluster, NODE);
    try {
      const held = hello('held')
        .replace('name: hello', 'name: held')
        .replace(IMAGE, `${PRIVATE_REGISTRY}/held:1`)
        .replace('spec:', `spec:\n  serviceAccountName: holder\n  nodeName: ${NODE}`);
      await cluster.apply(`${HOLDER}${held}`);
      await ready('held');
    } finally {
      registry.kill('SIGKILL');
    }
    const asked = JSON.parse(readFileSync(join(plugins, 'asked.json'), 'utf8'));
    expect(asked).toMatchObject({
      image: `${PRIVATE_REGISTRY}/held`,
      serviceAccountAnnotations: { 'example.com/registry-user': 'puller' },
    });
    const claims = JSON.parse(Buffer.from(asked.serviceAccountToken.split('.')[1], 'base64url').toString());
    expect(claims).toMatchObject({ aud: ['registry'], sub: 'system:serviceaccount:default:holder' });
    await cluster.kubectl('delete', 'pod', 'held');
  });

  test('pods of three nodes reach one another, and a Service, in the network of the user’s plugins', async () => {
    const nodes = [NODE, 'node2', 'node3'];
    for (const name of nodes.slice(1)) await cluster.kedge('node', 'add', name, '--name', cluster.name);
    const servers = nodes.map((nodeName) => meshPod(`on-${nodeName}`, 'meshed', nodeName));
    const ports = [{ port: 80, targetPort: 8080 }];
    const service = object('Service', 'meshed', { spec: { selector: { app: 'meshed' }, ports } });
    await applied(...servers, meshPod('beside', 'beside', NODE), service);
    const made = await Promise.all([...nodes.map((nodeName) => `on-${nodeName}`), 'beside'].map((name) => ready(name)));
    const ips = made.map(({ status }) => status?.podIP ?? '');
    const questions = ips.map((address) => ({ how: 'http', address, port: 8080, path: '/clientip' }));
    // Often enough to come to the endpoint of the own node, whose answers a bridge would carry past the rules.
    const byName = Array.from({ length: 12 }, () => ({ how: 'http', address: 'meshed', port: 80 }));
    await holds('all reach all, and are seen by their own address', async () => {
      const said = await Promise.all(made.map(({ metadata }) => answers(metadata.name, [...questions, ...byName])));
      const wanted = [...byName.map(() => expect.stringMatching(/^200 on-node\d$/))];
      expect(said).toEqual(ips.map((ip) => [...ips.map(() => `200 ${ip}`), ...wanted]));
    });
    expect(await cluster.kubectl('exec', 'beside', '--', 'cat', '/proc/sys/net/ipv4/ip_default_ttl')).toBe('42\n');
  });

  test('policies and host ports hold in it, on one node and between nodes', async () => {
    const names = ['on-node1', 'on-node2', 'on-node3'];
    const ips = await Promise.all(names.map(async (name) => (await ready(name)).status?.podIP ?? ''));
    const direct = ips.map((address) => ({ how: 'http', address, port: 8080, withinMs: 1_000 }));
    const addresses = (await cluster.nodeAddresses()).filter(({ name }) => !name.startsWith('simulated'));
    const hostPorts = addresses.map(({ ip: address }) => ({ how: 'http', address, port: 18_081 }));
    await holds('host ports lead to the pod of their node', async () =>
      expect(await answers('on-node2', hostPorts)).toEqual(addresses.map(({ name }) => `200 on-${name}`)),
    );
    const podSelector = { matchLabels: { app: 'meshed' } };
    const spec = { podSelector, ingress: [{ from: [{ podSelector }] }] };
    await applied(object('NetworkPolicy', 'meshed', { spec }, 'networking.k8s.io/v1'));
    await holds('only those of the mesh are heard', async () => {
      expect(await answers('beside', direct)).toEqual(['timeout', 'timeout', 'timeout']);
      expect(await answers('on-node1', direct)).toEqual(names.map((name) => `200 ${name}`));
    });
    await cluster.kubectl('delete', 'networkpolicy', 'meshed');
    await holds('all are', async () =>
      expect(await answers('beside', direct)).toEqual(names.map((name) => `200 ${name}`)),
    );
    await cluster.kubectl('delete', 'pod', '-l', 'app in (meshed, beside)', '--now');
    await cluster.kubectl('delete', 'service', 'meshed');
  });

  test('told that the machine goes down, the node ends its pods and says why', async () => {
    const command = ['--', 'sh', '-c', "trap 'exit 0' TERM; sleep 86400 & wait"];
    const here = `--overrides=${JSON.stringify({ spec: { nodeName: NODE } })}`;
    const how = [`--image=${IMAGE}`, '--image-pull-policy=Never', here, '--command'];
    await cluster.kubectl('run', 'worker', ...how, ...command);
    await ready('worker');
    process.kill(kubeletPid(), 'SIGPWR');
    const worker = await eventually('the pod has ended', async () => {
      const found = (await pods()).items.find(({ metadata }) => metadata.name === 'worker');
      return found?.status?.phase === 'Failed' && found;
    });
    const message = 'Pod was terminated in response to imminent node shutdown.';
    expect(worker.status).toMatchObject({ reason: 'Terminated', message });
    await holds('the node says why', async () => {
      const { status } = await cluster.json<Node>('get', 'node', NODE);
      expect(status?.conditions?.find(({ type }) => type === 'Ready')).toMatchObject({
        status: 'False',
        message: 'node is shutting down',
      });
    });
  });
});

/** The process that was given this node's configuration. */
function kubeletPid(): number {
  for (const name of readdirSync('/proc').filter((each) => /^\d+$/.test(each))) {
    const words = commandLine(name);
    const isOurs = words.some((word) => word.includes(`${cluster.name}/nodes/${NODE}/`));
    if (isOurs && words.includes('kubelet')) return Number(name);
  }
  throw new Error('the kubelet does not run');
}

function commandLine(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch (error) {
    if (error instanceof Error && 'code' in error) return []; // it has just ended
    throw error;
  }
}
