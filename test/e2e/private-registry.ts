/** The image registry of a cluster, and one before it that asks for a name and a password. */
import { type ChildProcess, spawn } from 'node:child_process';
import { eventually, type KedgeCluster } from './running-cluster.ts';

export const PRIVATE_REGISTRY = 'localhost:5999';
export const PULLER = { username: 'puller', password: 'pass word' };

/** In a node's network, on its loopback. argv: the URL of the cluster's own. */
const PROGRAM = `
const { createServer, request } = require('node:http');
const wanted = 'Basic ' + Buffer.from('${PULLER.username}:${PULLER.password}').toString('base64');
createServer((incoming, response) => {
  if (incoming.headers.authorization !== wanted)
    return response.writeHead(401, { 'www-authenticate': 'Basic realm="private"' }).end();
  const { range, accept = '*/*' } = incoming.headers;
  const headers = { accept, ...(range && { range }) };
  request(process.argv[1] + incoming.url, { method: incoming.method, headers }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    answer.pipe(response);
  }).end();
}).listen(5999, '127.0.0.1', () => console.log('listening'));
`;

/** `localhost:5000`, as the cluster tells tools. */
export async function registryOf(cluster: KedgeCluster): Promise<string> {
  const path = 'jsonpath={.data.localRegistryHosting\\.v1}';
  return eventually('the registry is announced', async () => {
    const said = await cluster.kubectl('get', '-n', 'kube-public', 'configmap', 'local-registry-hosting', '-o', path);
    return /host: "(localhost:\d+)"/.exec(said)?.[1];
  });
}

/** The cluster's registry as its nodes reach it. */
export async function registryUrl(cluster: KedgeCluster): Promise<string> {
  const [node] = await cluster.nodeAddresses();
  return `http://${node?.ip.replace(/\.\d+$/, '.1')}:${(await registryOf(cluster)).split(':')[1]}`;
}

/** What is in the cluster's registry is behind it, under the same paths. The caller kills it. */
export async function startPrivateRegistry(cluster: KedgeCluster, node: string): Promise<ChildProcess> {
  const { processes } = JSON.parse(await cluster.kedge('status', '--name', cluster.name, '--json')) as {
    processes: { name: string; pid: number }[];
  };
  const pid = processes.find(({ name }) => name === `${node}/kubelet`)?.pid;
  const url = await registryUrl(cluster);
  const child = spawn('nsenter', ['--net', '--target', String(pid), process.execPath, '-e', PROGRAM, url], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise((listening) => child.stdout.once('data', listening));
  return child;
}
