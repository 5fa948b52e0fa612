/** Two control planes on one etcd: whoever leads may die with all that it is, and the other goes on where it was. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type EtcdServer, etcdIsInstalled, startEtcd } from '../integration/storage/etcd-server.ts';
import { eventually, KedgeCluster } from './running-cluster.ts';
import { signalProcess } from './signal-process.ts';

interface Status {
  supervisorPid: number;
  dataDir: string;
  processes: { name: string; pid?: number }[];
}

const first = new KedgeCluster(`shared${process.pid}a`);
const second = new KedgeCluster(`shared${process.pid}b`);
const TIMES = ['lease-duration=12s', 'renew-deadline=10s', 'retry-period=500ms'].map(
  (time) => `--leader-elect-${time}`,
);
const LEASES = ['kube-controller-manager', 'kube-scheduler', 'kedge-simulated-nodes'];

let etcd: EtcdServer;

const statusOf = async (cluster: KedgeCluster): Promise<Status> =>
  JSON.parse((await cluster.try('status', '--json', '--name', cluster.name)).stdout);
const upOf = (cluster: KedgeCluster, ...more: string[]) =>
  cluster.up('--nodes', '0', '--simulated-nodes', '1', '--etcd-servers', etcd.endpoint, ...TIMES, ...more);
const holders = async (cluster: KedgeCluster) => {
  const leases = await Promise.all(
    LEASES.map((name) => cluster.json<{ spec: { holderIdentity: string } }>('get', 'lease', '-n', 'kube-system', name)),
  );
  return leases.map(({ spec }) => spec.holderIdentity);
};
const running = async (cluster: KedgeCluster) => {
  const { items } = await cluster.json<{ items: { metadata: { uid: string }; status: { phase: string } }[] }>(
    'get',
    'pods',
  );
  return items.filter(({ status }) => status.phase === 'Running').map(({ metadata }) => metadata.uid);
};

beforeAll(async () => {
  if (!etcdIsInstalled) return;
  etcd = await startEtcd();
  await upOf(first);
});
afterAll(async () => {
  if (!etcdIsInstalled) return;
  await first.down();
  await second.down();
  await etcd.stop();
});

test('a control plane with other authorities does not touch the cluster; with the same it takes over', async (context) => {
  if (!etcdIsInstalled) return context.skip('apt-get install --no-install-recommends etcd-server');
  const { dataDir, supervisorPid, processes } = await statusOf(first);
  await expect(upOf(second)).rejects.toThrow('the cluster in this etcd has other authorities than this control plane');
  await second.down();
  await upOf(second, '--pki-dir', join(dataDir, 'pki'));
  await first.kubectl('create', 'deployment', 'web', '--image=registry.example/web:1', '--replicas=2');
  await eventually('both pods run', async () => (await running(second)).length === 2);
  const before = await running(second);
  const leaders = await holders(second);

  // What the first gave out is good at the second: tokens and certificates.
  const token = (await first.kubectl('create', 'token', 'default')).trim();
  const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token } };
  const input = JSON.stringify(review);
  const reviewed = await second.tryKubectl(['create', '-f', '-', '-o', 'jsonpath={.status.user.username}'], { input });
  expect(reviewed.stdout).toBe('system:serviceaccount:default:default');
  const config = (cluster: KedgeCluster) => cluster.kubeconfig().then((path) => readFileSync(path, 'utf8'));
  const authorityIn = (text: string) => /certificate-authority-data: "?(\S+?)"?$/m.exec(text)?.[1];
  expect(authorityIn(await config(second))).toBe(authorityIn(await config(first)));

  const pid = processes.find(({ name }) => name === 'control-plane')?.pid ?? 0;
  signalProcess(supervisorPid, 'SIGKILL'); // first, for it would start the other again
  signalProcess(pid, 'SIGKILL');
  await second.kubectl('scale', 'deployment', 'web', '--replicas=4');
  await eventually('the other has scaled it', async () => (await running(second)).length === 4);
  expect(await running(second)).toEqual(expect.arrayContaining(before));
  const now = await holders(second);
  for (const [index, leader] of leaders.entries()) expect(now[index]).not.toBe(leader);
});
