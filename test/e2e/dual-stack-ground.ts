/** A cluster of three nodes with addresses of both families, and the ways to ask in it: of pods, of nodes, of this machine. */
import { existsSync } from 'node:fs';
import { request } from 'node:http';
import { expect } from 'vitest';
import { imageOn } from './conformance/image.ts';
import { manifest, NODES, OBJECTS } from './dual-stack-objects.ts';
import { inNetworkOf, pidOf } from './node-processes.ts';
import { holds, KedgeCluster } from './running-cluster.ts';

export const hasIpv6 = existsSync('/proc/sys/net/ipv6');
if (process.env['CI'] === 'true' && !hasIpv6) throw new Error('needs a kernel with IPv6');

export const cluster = new KedgeCluster(`dual${process.pid}`);
export async function start(): Promise<void> {
  const ways = ['--proxy-mode', 'iptables', '--overlay', 'vxlan'];
  await cluster.up('--nodes', '3', '--ip-families', 'IPv4,IPv6', ...ways);
  await imageOn(cluster);
  await cluster.apply(manifest(...OBJECTS));
  await cluster.kubectl('wait', '--for=condition=Ready', 'pod', '--all', '--timeout=180s');
}

export interface Pod {
  status: { podIP: string; podIPs: { ip: string }[]; hostIPs: { ip: string }[] };
}
export interface Service {
  spec: { clusterIPs: string[]; ipFamilies: string[]; ipFamilyPolicy: string; ports: { nodePort?: number }[] };
  status: { loadBalancer: { ingress?: { ip: string }[] } };
}
export const serviceNamed = (name: string) => cluster.json<Service>('get', 'service', name);
export const isIpv6 = (ip: string) => ip.includes(':');
export const urlOf = (ip: string, port: number) => `http://${isIpv6(ip) ? `[${ip}]` : ip}:${port}`;
export const fromNode = async (node: string, ...command: string[]) =>
  (await cluster.tryKubectl(['exec', `client-${node}`, '--', ...command])).stdout.trim();
/** Of node1, where no server is. */
export const fromClient = (...command: string[]) => fromNode('node1', ...command);
export const fetchedBy = (node: string, url: string, seconds = 3) =>
  fromNode(node, 'timeout', String(seconds), 'wget', '-qO-', url);
export const fetched = (ip: string, port: number, seconds = 3) => fetchedBy('node1', urlOf(ip, port), seconds);
/** From pods of every node. */
export const reaches = (what: string, ip: string, port: number) =>
  holds(`${what} at ${ip}`, async () => {
    const said = await Promise.all(NODES.map((node) => fetchedBy(node, urlOf(ip, port))));
    for (const name of said) expect(name).toMatch(/^(two|three)$/);
  });

/** What this machine is answered; undefined where it is not. */
export const asked = (url: string): Promise<string | undefined> =>
  new Promise((done) => {
    const sent = request(url, { agent: false, timeout: 2_000 }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      response.on('end', () => done(response.statusCode === 200 ? text : undefined));
    });
    sent.on('timeout', () => sent.destroy());
    sent.on('error', () => done(undefined));
    sent.end();
  });
export const ask = async (ip: string, port: number) => (await asked(urlOf(ip, port))) !== undefined;

/** Of each node both. */
export async function nodeAddresses(): Promise<string[][]> {
  const nodes = await cluster.json<{ items: { status: { addresses: { type: string; address: string }[] } }[] }>(
    'get',
    'nodes',
  );
  return nodes.items.map(({ status }) =>
    status.addresses.filter(({ type }) => type === 'InternalIP').map(({ address }) => address),
  );
}

export const inNode = async (node: string, ...command: string[]) =>
  inNetworkOf(await pidOf(cluster, `${node}/net`), command);
