/** `kedge agent`: this machine as a node of a cluster whose control plane is on another. */
import { Command } from 'commander';
import type { CliContext } from './context.ts';
import { kubeletConfigFile } from './kubelet-config-file.ts';

interface Options {
  invitation: string;
  dataDir?: string;
  kubeletConfig?: string;
}

export const agentCommand = (context: CliContext): Command =>
  new Command('agent')
    .summary('make this machine a node of a cluster elsewhere')
    .description(
      'Runs this whole machine as one node of a cluster whose control plane is on another machine, until Ctrl-C or TERM; then its ' +
        'pods end, and images and volumes stay. The invitation comes from `kedge node invite` there.',
    )
    .requiredOption('--invitation <file>', 'what `kedge node invite` wrote')
    .option('--data-dir <folder>', "where the node's data are, if not in /var/lib/kedge-agent")
    .option('--kubelet-config <file>', 'a KubeletConfiguration (kubelet.config.k8s.io/v1beta1)')
    .action(async ({ invitation, dataDir, kubeletConfig }: Options) => {
      const kubelet = kubeletConfig && (await kubeletConfigFile(context, kubeletConfig));
      context.note('Starting the node …');
      const ready = () => context.note('The node runs until Ctrl-C.');
      await context.runAgent({ invitation, ...(dataDir && { dataDir }), ...(kubelet && { kubelet }), ready });
      context.note('The node is stopped. Images and volumes are kept; the same command goes on from here.');
    });
