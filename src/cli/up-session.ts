/** What one `kedge up` was asked for, and what it works with. */
import type { ClusterPaths, PublishedServicePort } from '#node/machine/cluster-dir.ts';
import type { Missing } from '#node/machine/detect.ts';
import type { IpFamilies } from '#node/machine/slots.ts';
import type { Selection } from './cluster-selection.ts';
import type { CliContext } from './context.ts';
import type { ControlClient } from './control-client.ts';
import type { Progress } from './progress.ts';

export interface UpOptions extends Selection {
  nodes?: number;
  simulatedNodes?: number;
  ipFamilies?: IpFamilies;
  overlay?: 'auto' | 'vxlan';
  proxyMode?: 'nftables' | 'iptables' | 'ipvs';
  ipvsScheduler?: string;
  cniConfig?: string;
  apiServerPort?: number;
  listen?: string[];
  publish?: PublishedServicePort[];
  nodeMonitorGracePeriod?: number;
  defaultTolerationSeconds?: number;
  kubeletConfig?: string;
  imageCredentialProviderConfig?: string;
  imageCredentialProviderBinDir?: string;
  pkiDir?: string;
  detach?: boolean;
  example?: 'web';
}

export interface Session {
  context: CliContext;
  options: UpOptions;
  paths: ClusterPaths;
  control: ControlClient;
  progress: Progress;
  /** Why nodes are simulated; empty when they are real. */
  missing: Missing[];
  /** Of the API server, as they are on record. */
  flags: Readonly<Record<string, string>>;
  signal: AbortSignal;
  /** Wall time in ms: before anything of this cluster was started. */
  beganMs: number;
}
