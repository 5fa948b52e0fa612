/** `kedge kubeconfig`: the cluster's own kubeconfig, for scripts. */
import { Command } from 'commander';
import { withSelection } from './cluster-selection.ts';
import { type CliContext, UserError } from './context.ts';

export const kubeconfigCommand = (context: CliContext): Command =>
  withSelection(new Command('kubeconfig'))
    .summary("print a cluster's kubeconfig")
    .description('Prints the kubeconfig of a cluster: its owner may do everything. `up` also merges it into your own.')
    .option('--path', 'print where the file is instead')
    .action(async (options: { name: string; dataDir?: string; path?: boolean }) => {
      const { readFile } = await import('node:fs/promises');
      const { findCluster } = await import('./cluster-selection.ts');
      const { paths } = await findCluster(context, options);
      const text = await readFile(paths.kubeconfig, 'utf8').catch((cause) => {
        throw new UserError(`Cluster "${options.name}" was never up; its kubeconfig is made by \`kedge up\`.`, {
          cause,
        });
      });
      context.out(options.path ? paths.kubeconfig : text.trimEnd());
    });
