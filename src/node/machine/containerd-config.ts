/**
 * containerd's configuration for one node among several on a machine: nothing of it is shared with other nodes, or with a
 * containerd of the system. Format version 2, which containerd 1.6 reads and 2.x migrates.
 */
import { join } from 'node:path';
import type { MachineFacts } from './detect.ts';
import type { NodeLayout } from './node-layout.ts';

export interface ContainerdOptions {
  layout: NodeLayout;
  facts: Pick<MachineFacts, 'capabilities' | 'appArmor' | 'cniFolder' | 'programs'>;
  pauseImage: string;
  /** undefined: ours. */
  cni?: CniConfig | undefined;
}

export function containerdToml({ layout, facts, pauseImage }: ContainerdOptions): string {
  const cri = 'plugins."io.containerd.grpc.v1.cri"';
  return `version = 2
root = ${text(layout.containerdRoot)}
state = ${text(layout.containerdState)}
# io.containerd.runtime.v1.linux must stay: without it 1.6 has no task service, and so no CRI.
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.internal.v1.restart"]

[grpc]
  address = ${text(layout.containerdSocket)}

[plugins."io.containerd.internal.v1.opt"]
  path = ${text(`${layout.runDir}/opt`)}

[${cri}]
  sandbox_image = ${text(pauseImage)}
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  # Otherwise all nodes share /var/run/netns.
  netns_mounts_under_state_dir = true
  # Without CAP_SYS_RESOURCE the pause container's oom_score_adj cannot be lowered, and no pod would start.
  restrict_oom_score_adj = ${!facts.capabilities.sysResource}
  disable_apparmor = ${!facts.appArmor}
  tolerate_missing_hugetlb_controller = true
  # Devices by their CDI names: 1.6 knows neither them nor this, 2.x has it so by default.
  enable_cdi = true
  [${cri}.cni]
    bin_dir = ${text(layout.podRanges.some(isIpv6) ? layout.cniBinDir : cniFolderOf(facts))}
    conf_dir = ${text(layout.cniConfDir)}
  [${cri}.registry]
    config_path = ${text(layout.registryDir)}
  [${cri}.containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [${cri}.containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [${cri}.containerd.runtimes.runc.options]
        BinaryName = ${text(facts.programs.runc ?? 'runc')}
        # Otherwise all nodes share /run/containerd/runc.
        Root = ${text(layout.runcRoot)}
        SystemdCgroup = false
`;
}

/** Where the machine's own plugins are. */
export const cniFolderOf = ({ cniFolder }: ContainerdOptions['facts']): string => cniFolder ?? '/opt/cni/bin';

/** ptp: every packet of a pod is routed, so policy holds also between pods of one node. No portmap: hostPort is kube-proxy's. */
export function cniConflist(layout: NodeLayout, mtu: number, given?: CniConfig): string {
  if (given) return `${JSON.stringify(filled(given, cniValues(layout, mtu)), null, 2)}\n`;
  const { podRanges, cniStateDir } = layout;
  const ranges = podRanges.map((subnet) => [{ subnet }]);
  const routes = podRanges.map((range) => ({ dst: range.includes(':') ? '::/0' : '0.0.0.0/0' }));
  const ipam = { type: 'host-local', dataDir: cniStateDir, ranges, routes };
  const plugins = [
    ...(podRanges.some(isIpv6) ? [{ type: NO_DETECTION }] : []),
    { type: 'ptp', ipMasq: false, mtu, ipam },
  ];
  return `${JSON.stringify({ cniVersion: '0.4.0', name: 'kedge', plugins }, null, 2)}\n`;
}

/**
 * What is `localhost:PORT` on the cluster's machine is reached by the bridge from a node: for this one name, without TLS.
 * From a machine of its own with TLS, by the node's certificate. undefined: the cluster is older than its registry.
 */
export function clusterRegistry(layout: NodeLayout): { name: string; hostsToml: string } | undefined {
  const { plan, gateway, credentialsDir, kubeletDir } = layout;
  const address = gateway ?? plan.hostAddresses[0];
  if (!plan.registryPort || !address) return undefined;
  const url = text(`${gateway ? 'https' : 'http'}://${address}:${plan.registryPort}`);
  const pair = text(join(kubeletDir, 'pki', 'kubelet-client-current.pem')); // the kubelet renews it
  const secured = `  ca = ${text(join(credentialsDir, 'ca.crt'))}\n  client = [[${pair}, ${pair}]]\n`;
  return {
    name: `localhost:${plan.registryPort}`,
    hostsToml: `server = ${url}\n\n[host.${url}]\n  capabilities = ["pull", "resolve"]\n${gateway ? secured : ''}`,
  };
}

/** A CNI network configuration list of the user's, for whatever plugins. Source: CNI specification, "Network configuration format". */
export type CniConfig = Readonly<Record<string, unknown>>;

/** What a node's own values are called in it: a text that is nothing else becomes the value. */
const cniValues = ({ podRanges, cniStateDir, name }: NodeLayout, mtu: number): ReadonlyMap<string, unknown> =>
  new Map<string, unknown>([
    ['$POD_RANGE_IPV4', podRanges.find((range) => !isIpv6(range)) ?? ''],
    ['$POD_RANGE_IPV6', podRanges.find(isIpv6) ?? ''],
    ['$STATE_DIR', cniStateDir],
    ['$NODE_NAME', name],
    ['$MTU', mtu],
  ]);

function filled(value: unknown, values: ReadonlyMap<string, unknown>): unknown {
  if (typeof value === 'string') return values.get(value) ?? value;
  if (Array.isArray(value)) return value.map((one) => filled(one, values));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, filled(one, values)]));
}

const isIpv6 = (range: string): boolean => range.includes(':');

/** The name of a plugin that is ours; it stands before the one that makes the interface. */
export const NO_DETECTION = 'kedge-no-detection';

/**
 * A plugin that makes no interface: it only tells the pod's network that nobody else can have its addresses, or ptp waits a
 * second for each pod's IPv6 address to be undisputed (duplicate address detection). Source: CNI specification 0.4.0.
 */
export const NO_DETECTION_PLUGIN = `#!/bin/sh
case "$CNI_COMMAND" in
VERSION) echo '{"cniVersion":"0.4.0","supportedVersions":["0.3.1","0.4.0"]}' ;;
ADD)
  nsenter --net="$CNI_NETNS" sh -c 'echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad' &&
    echo '{"cniVersion":"0.4.0","interfaces":[],"ips":[],"routes":[],"dns":{}}' ;;
esac
`;

/** A TOML basic string is written as JSON writes it (TOML 1.0, "String"). */
const text = (value: string): string => JSON.stringify(value);
