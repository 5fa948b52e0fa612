/** `kedge agent`: this machine as a node of a cluster whose control plane is on another. */
import { Command } from 'commander';
import type { CliContext } from './context.ts';

export const agentCommand = (context: CliContext): Command =>
  new Command('agent')
    .summary('make this machine a node of a cluster elsewhere')
    .description(
      'Runs this whole machine as one node of a cluster whose control plane is on another machine, until Ctrl-C or TERM; then its ' +
        'pods end, and images and volumes stay. The invitation comes from `kedge node invite` there.',
    )
    .requiredOption('--invitation <file>', 'what `kedge node invite` wrote')
    .option('--data-dir <folder>', "where the node's data are, if not in /var/lib/kedge-agent")
    .action(async ({ invitation, dataDir }: { invitation: string; dataDir?: string }) => {
      context.note('Starting the node …');
      const ready = () => context.note('The node runs until Ctrl-C.');
      await context.runAgent({ invitation, ...(dataDir && { dataDir }), ready });
      context.note('The node is stopped. Images and volumes are kept; the same command goes on from here.');
    });
