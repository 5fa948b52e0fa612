/** What a node's processes are told when they start. The same file describes a node on a machine of its own. */
import type { ProxyMode } from '#network/proxy/modes.ts';
import type { ClusterSettings } from '#node/machine/cluster-dir.ts';
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
  ingressAddresses: string[];
  /** How packets reach pods of nodes that are not on this one's segment; absent in what an older Kedge wrote. */
  overlay?: { mode: 'auto' | 'always'; podGateways: string[] };
  /** kube-proxy's; absent: nftables. */
  proxyMode?: ProxyMode;
  /** Of the mode ipvs; absent: upstream's. */
  ipvsScheduler?: string;
  clusterDomain: string;
  credentialsDir: string;
  kubeletDir: string;
  logDir: string;
  containerdSocket: string;
  cgroupRoot: string;
  pauseImage: string;
  /** The API server may have no route to it: it opens a connection for what the API server wants of it. */
  opensTunnel?: boolean;
  /** Fields of a KubeletConfiguration. */
  kubelet?: Record<string, unknown>;
  credentialProviders?: NonNullable<ClusterSettings['credentialProviders']>;
  /** Upstream's proportion of lease to grace period, whatever the grace period is; absent: upstream's 40 s. */
  leaseDurationSeconds?: number;
}

/** A Lease lasts 40 s where a silent node counts as alive for 50 s; a shorter patience needs shorter leases. */
export const LEASE_OF_GRACE = 40 / 50;

/**
 * A node that shares its machine with others, and with whatever else is there, does not act on how full the disk is by
 * shares of it: it is not the node that fills it. Images are kept, because nobody could pull those that were built here.
 */
const ON_SHARED_MACHINE: Record<string, unknown> = {
  evictionHard: { 'memory.available': '100Mi', 'nodefs.available': '1Gi' },
  imageGCHighThresholdPercent: 100,
};

export const nodeConfigOf = (layout: NodeLayout, pauseImage: string, settings: ClusterSettings): NodeConfig => ({
  nodeName: layout.name,
  addresses: layout.addresses,
  podRanges: layout.podRanges,
  clusterPodRanges: layout.plan.podRanges,
  serviceRanges: layout.plan.serviceRanges,
  dnsAddresses: layout.plan.dnsAddresses,
  ingressAddresses: layout.plan.ingressAddresses,
  overlay: {
    mode: settings.overlay === 'vxlan' ? 'always' : 'auto',
    podGateways: layout.gateway ? [layout.gateway] : layout.plan.hostAddresses,
  },
  ...(settings.proxyMode && { proxyMode: settings.proxyMode }),
  ...(settings.ipvsScheduler && { ipvsScheduler: settings.ipvsScheduler }),
  clusterDomain: 'cluster.local',
  credentialsDir: layout.credentialsDir,
  kubeletDir: layout.kubeletDir,
  logDir: layout.logs,
  containerdSocket: layout.containerdSocket,
  cgroupRoot: layout.cgroupRoot,
  pauseImage,
  ...(layout.gateway && { opensTunnel: true }),
  kubelet: { ...(!layout.gateway && ON_SHARED_MACHINE), ...settings.kubelet },
  ...(settings.credentialProviders && { credentialProviders: settings.credentialProviders }),
  ...(settings.nodeMonitorGracePeriodSeconds !== undefined && {
    leaseDurationSeconds: Math.max(1, Math.floor(settings.nodeMonitorGracePeriodSeconds * LEASE_OF_GRACE)),
  }),
});

export const writeNodeConfig = (layout: NodeLayout, config: NodeConfig): Promise<void> =>
  writeJsonFile(layout.config, config);

/** Throws when there is no such file. */
export async function readNodeConfig(path: string): Promise<NodeConfig> {
  const config = await readJsonFile(path);
  if (!config) throw new Error(`there is no node configuration at ${path}`);
  return config as NodeConfig;
}
