/** What a node's processes are told when they start. The same file describes a node on a machine of its own. */
import { readJsonFile, writeJsonFile } from '#node/machine/json-file.ts';
import type { NodeLayout } from '#node/machine/node-layout.ts';

export interface NodeConfig {
  nodeName: string;
  addresses: string[];
  podRanges: string[];
  /** Of the whole cluster: what is not to be translated on its way between pods. */
  clusterPodRanges: string[];
  serviceRanges: string[];
  dnsAddresses: string[];
  clusterDomain: string;
  credentialsDir: string;
  kubeletDir: string;
  logDir: string;
  containerdSocket: string;
  cgroupRoot: string;
  pauseImage: string;
}

export const nodeConfigOf = (layout: NodeLayout, pauseImage: string): NodeConfig => ({
  nodeName: layout.name,
  addresses: layout.addresses,
  podRanges: layout.podRanges,
  clusterPodRanges: layout.plan.podRanges,
  serviceRanges: layout.plan.serviceRanges,
  dnsAddresses: layout.plan.dnsAddresses,
  clusterDomain: 'cluster.local',
  credentialsDir: layout.credentialsDir,
  kubeletDir: layout.kubeletDir,
  logDir: layout.logs,
  containerdSocket: layout.containerdSocket,
  cgroupRoot: layout.cgroupRoot,
  pauseImage,
});

export const writeNodeConfig = (layout: NodeLayout, config: NodeConfig): Promise<void> =>
  writeJsonFile(layout.config, config);

/** Throws when there is no such file. */
export async function readNodeConfig(path: string): Promise<NodeConfig> {
  const config = await readJsonFile(path);
  if (!config) throw new Error(`there is no node configuration at ${path}`);
  return config as NodeConfig;
}
