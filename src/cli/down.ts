/** `kedge down`: stops a cluster; `--purge` also removes what it keeps. */
import { Command } from 'commander';
import { withSelection } from './cluster-selection.ts';
import type { CliContext } from './context.ts';

export const downCommand = (context: CliContext): Command =>
  withSelection(new Command('down'))
    .summary('stop a cluster, and keep or remove its data')
    .description(
      'Stops all of a cluster. Objects, addresses, images and volumes stay for the next `up`, unless --purge.',
    )
    .option('--purge', "also remove the cluster's data and its context")
    .action(async (options: { name: string; dataDir?: string; purge?: boolean }) => {
      const { findCluster } = await import('./cluster-selection.ts');
      const { purgeCluster, takeClusterDown } = await import('./take-down.ts');
      const { paths } = await findCluster(context, options);
      const wasRunning = await takeClusterDown(context, options);
      if (options.purge) await purgeCluster(context, options);
      const was = wasRunning ? 'is stopped' : 'was not running';
      context.note(`Cluster "${options.name}" ${options.purge ? 'is removed' : was}.`);
      if (!options.purge) context.note(`Its data stay in ${paths.dataDir}.`);
    });
