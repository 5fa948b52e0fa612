/** A server and a client on each of three nodes, and the processes of the nodes: what tests of the network over nodes share. */
import { request } from 'node:http';
import { processOfPod } from '../../bench/process-of-pod.ts';
import type { Sent } from './conformance/api.ts';
import { SERVER } from './conformance/image.ts';
import { container, object, type Playground, playground, pod, shell } from './conformance/playground.ts';
import { inNetworkOf, pidOf } from './node-processes.ts';
import { eventually } from './running-cluster.ts';

export const NODES = ['node1', 'node2', 'node3'] as const;
export type NodeName = (typeof NODES)[number];

const server = container({
  command: SERVER,
  env: [
    { name: 'PORTS', value: '8080,8081' },
    { name: 'UDP_PORTS', value: '8080' },
    { name: 'GRPC_PORT', value: '9000' },
  ],
  readinessProbe: { httpGet: { path: '/healthz', port: 8080 }, periodSeconds: 1 },
  lifecycle: { preStop: { exec: { command: ['sleep', '5'] } } }, // until every node knows
});
export const serverOn = (nodeName: string, name = `server-${nodeName}`, app = 'server') =>
  pod(name, {
    labels: { app, on: nodeName },
    spec: { containers: [server], nodeName, terminationGracePeriodSeconds: 20 },
  });
const clientOn = (nodeName: string) =>
  pod(`client-${nodeName}`, {
    labels: { app: 'client', on: nodeName },
    spec: { containers: [shell('sleep 10000')], nodeName },
  });

/** How one is asked, and where: see `ask.mjs` of the image. */
export interface Question {
  how: 'http' | 'https' | 'h2' | 'upgrade' | 'upgrades' | 'grpc' | 'grpcs' | 'udp' | 'dns';
  address: string;
  port: number;
  host?: string;
  path?: string;
  method?: string;
  headers?: Record<string, string>;
  /** Of a body. */
  bytes?: number;
  /** Headers of the answer, lower case. */
  show?: string[];
  withinMs?: number;
  /** The port to ask from, over UDP: the same one is the same flow. */
  from?: number;
  /** Of DNS, as are all that follow. */
  name?: string;
  type?: string;
  over?: 'udp' | 'tcp';
  /** The size that is named. */
  edns?: number;
}

interface ServiceObject {
  spec: { clusterIP: string; clusterIPs: string[]; ports: { nodePort: number }[]; healthCheckNodePort?: number };
  status: { loadBalancer: { ingress?: { ip: string }[] } };
}

export interface ThreeNodes {
  (): Playground;
  service(name: string): Promise<ServiceObject>;
  nodePortOf(name: string): Promise<number>;
  balancerOf(name: string): Promise<string>;
  podIp(name: string): Promise<string>;
  addressOf(node: NodeName): string;
  /** What the client of a node is answered at each of these URLs, all asked at once; `-` where nobody answers. */
  asked(node: NodeName, urls: readonly string[]): Promise<string[]>;
  answers(node: NodeName, questions: readonly Question[]): Promise<string[]>;
  pidOf(name: string): Promise<number>;
  /** In the network of a node. */
  inNode(node: NodeName, ...command: string[]): Promise<string>;
  /** In the network of a pod, with the programs of this machine. */
  inPod(name: string, ...command: string[]): Promise<string>;
  /** The same for later, when nobody may be there to be asked for the pod. */
  enteredPod(name: string): Promise<(...command: string[]) => Promise<string>>;
}

export const everyNode = <T>(look: (node: NodeName) => Promise<T>): Promise<T[]> => Promise.all(NODES.map(look));

/** `more` is made together with the servers and clients. */
export function threeNodes(name: string, more: readonly Sent[]): ThreeNodes {
  let addresses: Record<string, string> = {};
  const ground = playground(name, async (it) => {
    addresses = Object.fromEntries((await it.cluster.nodeAddresses()).map((node) => [node.name, node.ip]));
    await it.create(...NODES.flatMap((node) => [serverOn(node), clientOn(node)]), ...more);
    for (const node of NODES) await Promise.all([it.ready(`server-${node}`), it.ready(`client-${node}`)]);
    return undefined;
  });
  const service = (of: string) => ground().api.get<ServiceObject>(ground().path('Service', 'v1', of));
  const ofCluster = (of: string) => pidOf(ground().cluster, of);
  const enteredPod = (of: string) => entered(ground(), of);
  return Object.assign(() => ground(), {
    service,
    nodePortOf: async (of: string) => (await service(of)).spec.ports[0]?.nodePort ?? 0,
    balancerOf: (of: string) =>
      eventually(`${of} has an address`, async () => (await service(of)).status.loadBalancer.ingress?.[0]?.ip),
    podIp: async (of: string) => (await ground().pod(of)).status?.podIP ?? '',
    addressOf: (node: NodeName) => addresses[node] ?? '',
    async asked(node: NodeName, urls: readonly string[]) {
      const one = (url: string, i: number) => `(echo "${i} $(timeout 3 wget -qO- '${url}' 2>/dev/null || echo -)") &`;
      const said = await ground().exec(`client-${node}`, `${urls.map(one).join('\n')}\nwait`);
      const byTurn = said.split('\n').map((line) => line.split(' '));
      return urls.map((_, i) => byTurn.find(([turn]) => turn === String(i))?.[1] ?? '-');
    },
    answers: async (node: NodeName, questions: readonly Question[]) =>
      JSON.parse(await ground().exec(`client-${node}`, `node /ask.mjs '${JSON.stringify(questions)}'`)) as string[],
    pidOf: ofCluster,
    inNode: async (node: NodeName, ...command: string[]) => inNetworkOf(await ofCluster(`${node}/net`), command),
    inPod: async (of: string, ...command: string[]) => (await enteredPod(of))(...command),
    enteredPod,
  });
}

/** What runs commands in the network of a pod, with the programs of this machine. */
export async function entered(ground: Playground, name: string): Promise<(...command: string[]) => Promise<string>> {
  const pid = processOfPod((await ground.pod(name)).metadata.uid ?? '');
  return (...command) => inNetworkOf(pid, command);
}

export const serviceOf = (name: string, spec: object) =>
  object('Service', name, { spec: { selector: { app: 'server' }, ports: [{ port: 80, targetPort: 8080 }], ...spec } });

/** What this machine is answered, or why it is not. */
export const ask = (host: string, { port = 80, path = '/', withinMs = 3_000 } = {}): Promise<string> =>
  new Promise((done) => {
    const sent = request({ host, port, path, agent: false, timeout: withinMs }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      response.on('end', () => done(text.trim()));
    });
    sent.on('timeout', () => sent.destroy(new Error('timeout')));
    sent.on('error', (error: NodeJS.ErrnoException) => done(error.code ?? error.message));
    sent.end();
  });
