/** What a kubelet is given when it starts. */
import type { Taint } from '#api/generated/schema.ts';
import type { KubeletConfiguration } from '#api/kubelet-config/kubelet-configuration.ts';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Random } from '#base/random.ts';
import type { Client } from '#client/client.ts';
import type { Informers } from '#client/informer.ts';
import type { MachineFacts } from '#node/runtime/machine-facts.ts';
import type { ContainerRuntime } from '#node/runtime/runtime.ts';
import type { RotatedCertificates } from './certificates/rotate-certificates.ts';
import type { Usage } from './eviction/usage.ts';
import type { CredentialProvider } from '#api/kubelet-config/credential-provider-config.ts';
import type { ReadNetwork } from './server/network-facts.ts';
import type { IdRange } from './user-namespaces/id-range.ts';
import type { Mounter } from './volumes/mounter.ts';

export interface KubeletOptions {
  nodeName: string;
  client: Client;
  informers: Informers;
  runtime: ContainerRuntime;
  machine: MachineFacts;
  clock: Clock;
  random: Random;
  log: Log;
  /** `root`: volumes and other state, e.g. `/var/lib/kubelet`; `logs`: containers' logs, e.g. `/var/log/pods`. */
  directories: { root: string; logs: string };
  /** The node's own, the primary one first. */
  addresses: readonly string[];
  clusterDNS: readonly string[];
  clusterDomain: string;
  /** Where pods' control groups begin. Nodes that share a machine need different ones. `/kubepods` by default. */
  cgroupRoot?: string;
  /** As the node is registered. */
  labels?: Readonly<Record<string, string>>;
  taints?: readonly Taint[];
  podCIDRs?: readonly string[];
  maxPods?: number;
  port?: number;
  kubeletVersion?: string;
  /** What a KubeletConfiguration file says; upstream's defaults, if not given. Options beside it take precedence. */
  configuration?: KubeletConfiguration;
  /** What the node and its pods use: the machine is asked, if not given. */
  usage?: Usage;
  /** Images that are never removed, e.g. what sandboxes run. */
  keepImages?: readonly string[];
  /** Programs in a folder that are asked for passwords of registries. */
  credentialProviders?: { providers: readonly CredentialProvider[]; folder: string };
  /** How long the node's Lease counts without a renewal: 40 by default. Shorter where a silent node is to be noticed sooner. */
  leaseDurationSeconds?: number;
  /** The node's own files, as its pods may inherit them. */
  resolvConf?: string;
  hosts?: string;
  mounter?: Mounter;
  /** The users that pods may be given as their own: the machine is asked, if not given. */
  idRange?: IdRange;
  /** The kubelet's own HTTPS API on `port`, in PEM; none without it. */
  server?: { certificate: string; key: string; clientCA: string; host?: string; readNetwork?: ReadNetwork };
  /** Certificates that are renewed before they end: as which it asks the API, and what its own API shows. */
  rotated?: RotatedCertificates;
}
