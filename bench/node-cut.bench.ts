/**
 * What fails of requests from a pod, through a Service and through an Ingress, from the moment in which a node with an endpoint is cut off
 * to the one in which its endpoints are left out, on three real nodes.
 */
import type { Bench } from './bench.ts';
import { BrokenNetwork, CLIENT_NODE, inNetworkOfNode } from './broken-network.ts';
import { hasRealNodes } from './real-cluster.ts';
import type { Row } from './row.ts';
import { NAMESPACE, SERVICE, until } from './web-cluster.ts';

const SLICES = `/apis/discovery.k8s.io/v1/namespaces/${NAMESPACE}/endpointslices?labelSelector=kubernetes.io/service-name=${SERVICE}`;

export async function run(bench: Bench): Promise<Row[]> {
  if (!(await hasRealNodes(bench))) return [];
  const network = await BrokenNetwork.make(bench);
  const { cluster, ask } = network.web;
  return network.rowsOf('node-cut', {
    name: 'node of one of three endpoints',
    targets: { ClusterIP: undefined, Ingress: undefined },
    note: 'until the node is NotReady, as with upstream, a Service leads to its endpoints; through an Ingress what it had when it went',
    happens: async () => {
      const [lost] = (await readyNodes()).filter((node) => node !== CLIENT_NODE);
      if (!lost) throw new Error('all endpoints are on one node');
      await inNetworkOfNode(cluster, lost, ['ip', 'link', 'set', 'eth0', 'down']);
      await until('its endpoints are left out', async () => !(await readyNodes()).includes(lost) || undefined);
    },
  });

  async function readyNodes(): Promise<string[]> {
    const { items } = (await ask('GET', SLICES)) as { items: { endpoints: Endpoint[] }[] };
    const ready = items.flatMap(({ endpoints }) => endpoints).filter(({ conditions }) => conditions.ready);
    return ready.map(({ nodeName }) => nodeName);
  }
}

interface Endpoint {
  nodeName: string;
  conditions: { ready: boolean };
}
