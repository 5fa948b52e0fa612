/** What the supervisor tells on its control socket: JSON over HTTP on a unix socket that only its owner may open. */
import type { NodeImage } from '#node/machine/node-images.ts';

export interface ProcessStatus {
  /** `control-plane`, `node1/kubelet`. */
  name: string;
  state: 'starting' | 'running' | 'backing off' | 'stopped';
  pid?: number;
  restarts: number;
}

export interface NodeStatus {
  name: string;
  state: 'starting' | 'running' | 'stopped' | 'failed';
  addresses: string[];
  podRanges: string[];
  /** Wall time in ms: nothing of the node is older. */
  madeAtMs?: number;
  /** This machine cannot run it: it only pretends. */
  isSimulated?: boolean;
  /** Why it failed. */
  message?: string;
}

export interface ClusterStatus {
  name: string;
  dataDir: string;
  version: string;
  supervisorPid: number;
  phase: 'starting' | 'running' | 'stopping';
  /** The cluster's kubeconfig is written and true. */
  hasKubeconfig: boolean;
  /** `https://127.0.0.1:6443` */
  server: string;
  processes: ProcessStatus[];
  nodes: NodeStatus[];
  simulatedNodes: number;
  /** Machines of their own: whether they run, the API tells. */
  nodesElsewhere: Pick<NodeStatus, 'name' | 'addresses' | 'podRanges'>[];
  /** Ports of this machine's loopback that lead into the cluster; absent from a supervisor of an older build. */
  published?: PublishedPort[];
  /** Sentences that the user should see. */
  warnings: string[];
}

export interface PublishedPort {
  port: number;
  /** `ingress http`, `ingress https`, or `namespace/service:port`. */
  to: string;
  /** Why it does not lead there. */
  problem?: string;
}

export interface ImagesOfNode {
  node: string;
  images: NodeImage[];
}

export interface ControlError {
  error: { code: string; message: string };
}
