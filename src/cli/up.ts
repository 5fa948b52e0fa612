/** `kedge up`: from nothing, or from where it was left, to a cluster that answers. */
import { Command, Option } from 'commander';
import { withApiServerOptions } from './api-server-options.ts';
import { withSelection } from './cluster-selection.ts';
import type { CliContext } from './context.ts';
import {
  ipFamilies,
  nodeCount,
  ownAddresses,
  portNumber,
  proxyMode,
  publishedServices,
  seconds,
  simulatedNodeCount,
} from './option-values.ts';
import type { UpOptions } from './up-session.ts';

export const upCommand = (context: CliContext): Command =>
  withApiServerOptions(withSelection(new Command('up')))
    .summary('start a cluster, new or known')
    .description(
      'Starts a cluster on this machine. A new one gets a control plane and two nodes; one that was stopped goes on where it ' +
        'was.\nNodes run real containers where this machine can (root, Linux, containerd …), else they are simulated.',
    )
    .option('--nodes <n>', 'nodes with real containers (a new cluster: 2)', nodeCount)
    .option(
      '--simulated-nodes <n>',
      'nodes that only pretend to run their pods; tainted when there are real ones. The SimulatedNodePool "simulated" has them',
      simulatedNodeCount,
    )
    .option(
      '--pki-dir <folder>',
      'authorities and keys for a new cluster: the folder `pki` of the control plane that it shares an etcd with ' +
        '(ca.crt, ca.key, front-proxy-ca.crt, front-proxy-ca.key, sa.key, as kubeadm has them)',
    )
    .option('--detach', 'return when the cluster is up; stop it with `kedge down`')
    .addOption(new Option('--example <name>', 'deploy an example and wait until it answers').choices(['web']))
    .option('--api-server-port <port>', 'port of the API server on this machine (usually 6443)', portNumber)
    .option(
      '--listen <ip>',
      'an address of this machine at which other machines reach the API server; may be given several times. ' +
        '127.0.0.1: none any more',
      ownAddresses,
    )
    .option(
      '--publish <port:namespace/service:port>',
      'a port of this machine (loopback only) that leads to a port of a Service; may be given several times. none: none any more',
      publishedServices,
    )
    .option('--ip-families <list>', 'families of pods and Services: IPv4 (a new cluster), or IPv4,IPv6', ipFamilies)
    .addOption(
      new Option(
        '--overlay <mode>',
        'packets between pods of two nodes in VXLAN: where needed (auto), or always',
      ).choices(['auto', 'vxlan']),
    )
    .option(
      '--proxy-mode <mode>',
      "kube-proxy's: nftables (a new cluster), iptables, or ipvs where the kernel has it",
      proxyMode,
    )
    .option(
      '--ipvs-scheduler <name>',
      "how the mode ipvs chooses endpoints: rr (upstream's), lc, sh, mh or another of the kernel's",
    )
    .option('--node-monitor-grace-period <time>', 'how long a silent node counts as alive (upstream: 50s)', seconds)
    .option('--kubelet-config <file>', 'a KubeletConfiguration (kubelet.config.k8s.io/v1beta1) for all nodes')
    .option(
      '--image-credential-provider-config <file>',
      'a CredentialProviderConfig (kubelet.config.k8s.io/v1): programs that know passwords of registries',
    )
    .option('--image-credential-provider-bin-dir <folder>', 'where these programs are, on every node')
    .option('--cni-config <file>', 'a CNI network configuration list for all nodes, with plugins of this machine')
    .option('--default-toleration-seconds <time>', 'how long pods stay on a lost node (upstream: 300)', seconds)
    .action(async (options: UpOptions) => {
      const { runUp } = await import('./run-up.ts');
      await runUp(context, options);
    });
