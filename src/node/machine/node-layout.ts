/** Where a node's files are and what its addresses are: everything that follows from its name and number. */
import { join } from 'node:path';
import { type ClusterPaths, type ClusterRecord, clusterPaths } from './cluster-dir.ts';
import { nodePlanOf, planFor, type SlotPlan } from './slots.ts';

export interface NodeLayout {
  name: string;
  index: number;
  plan: SlotPlan;
  addresses: string[];
  podRanges: string[];
  /** The host's end of the node's cable. */
  link: string;
  /** Kept: containerd's images and containers, the kubelet's volumes. */
  keptDir: string;
  containerdRoot: string;
  kubeletDir: string;
  /** `certs.d` of containerd: one folder a registry. */
  registryDir: string;
  logs: string;
  /** What the node's processes are told. */
  config: string;
  /** Certificates and kubeconfigs of the node, and nothing else's. */
  credentialsDir: string;
  /** Gone after a reboot. */
  runDir: string;
  containerdSocket: string;
  containerdState: string;
  containerdConfig: string;
  runcRoot: string;
  cniConfDir: string;
  /** Plugins of ours beside those of the machine. */
  cniBinDir: string;
  cniStateDir: string;
  holderRecord: string;
  containerdRecord: string;
  /** Absolute within each cgroup hierarchy; all pods of the node are below it. */
  cgroupRoot: string;
  /** Set when the node is this whole machine, and not a set of namespaces on it: the way to the cluster's machine. */
  gateway?: string;
}

/** What a layout follows from. */
export interface NodePlace {
  name: string;
  index: number;
  plan: SlotPlan;
  /** Of the machine, for a node that is one. */
  address?: string;
  cgroupRoot: string;
  gateway?: string;
}

export function nodeLayout(cluster: ClusterRecord, paths: ClusterPaths, name: string): NodeLayout {
  const node = cluster.nodes[name];
  if (!node) throw new NoSuchNode(`cluster "${cluster.name}" has no node "${name}"`);
  return layoutOf(
    {
      name,
      ...node,
      plan: planFor(cluster),
      cgroupRoot: `/kedge/${cluster.name}/${name}/kubepods`,
    },
    paths,
  );
}

export function layoutOf(place: NodePlace, paths: Pick<ClusterPaths, 'dataDir' | 'runDir' | 'logs'>): NodeLayout {
  const { name, index, plan, address, cgroupRoot, gateway } = place;
  const keptDir = join(paths.dataDir, 'nodes', name);
  const runDir = join(paths.runDir, name);
  return {
    name,
    index,
    plan,
    ...nodePlanOf(plan, index),
    ...(address && { addresses: [address] }),
    keptDir,
    containerdRoot: join(keptDir, 'containerd'),
    kubeletDir: join(keptDir, 'kubelet'),
    registryDir: join(keptDir, 'certs.d'),
    logs: join(paths.logs, name),
    config: join(keptDir, 'node.json'),
    credentialsDir: join(keptDir, 'pki'),
    runDir,
    containerdSocket: join(runDir, 'c.sock'),
    containerdState: join(runDir, 'state'),
    containerdConfig: join(runDir, 'containerd.toml'),
    runcRoot: join(runDir, 'runc'),
    cniConfDir: join(runDir, 'cni', 'net.d'),
    cniBinDir: join(runDir, 'cni', 'bin'),
    cniStateDir: join(runDir, 'cni', 'ipam'),
    holderRecord: join(runDir, 'holder.json'),
    containerdRecord: join(runDir, 'containerd.json'),
    cgroupRoot,
    ...(gateway && { gateway }),
  };
}

export const layoutFor = (cluster: ClusterRecord, dataDir: string, name: string): NodeLayout =>
  nodeLayout(cluster, clusterPaths(cluster.name, dataDir), name);

/** The lowest number no node has; a removed node's addresses are used again. */
export function freeIndex(nodes: ClusterRecord['nodes']): number {
  const taken = new Set(Object.values(nodes).map(({ index }) => index));
  let index = 1;
  while (taken.has(index)) index++;
  return index;
}

export class NoSuchNode extends Error {
  readonly code = 'NoSuchNode';
}
