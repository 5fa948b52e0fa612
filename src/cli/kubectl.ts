/** `kedge kubectl …`: a kubectl that fits the cluster, told which cluster it is. */
import { Command } from 'commander';
import { DEFAULT_NAME } from './cluster-selection.ts';
import type { CliContext } from './context.ts';

export const kubectlCommand = (context: CliContext): Command =>
  new Command('kubectl')
    .summary('run kubectl against a cluster')
    .description(
      'Runs kubectl (1.33 or newer from PATH, else the one in the clone) against the cluster given by --name.',
    )
    .usage('[--name <name>] [--data-dir <folder>] <kubectl arguments…>')
    .allowUnknownOption()
    .helpOption(false)
    .argument('[arguments...]', 'for kubectl')
    .passThroughOptions()
    .option('--name <name>', 'which cluster', DEFAULT_NAME)
    .option('--data-dir <folder>', "where the cluster's data are, if not in the usual place")
    .action(async (args: string[], options: { name: string; dataDir?: string }) => {
      const { runKubectl } = await import('./run-kubectl.ts');
      process.exitCode = await runKubectl(context, args, options);
    });
