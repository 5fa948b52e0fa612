/** `kedge node invite`: the file with which another machine becomes a node. */
import { resolve } from 'node:path';
import { Command } from 'commander';
import { withSelection } from './cluster-selection.ts';
import { type CliContext, UserError } from './context.ts';

interface InviteOptions {
  name: string;
  dataDir?: string;
  address: string;
  server?: string;
  output?: string;
}

export const nodeInviteCommand = (context: CliContext): Command =>
  withSelection(new Command('invite'))
    .summary('make the file with which another machine becomes a node')
    .description(
      'Reserves a place in the cluster for a machine of its own and writes all it needs into one file, private keys included: carry ' +
        'it there safely, and run `kedge agent --invitation FILE`. Given again, it renews the certificates.',
    )
    .argument('<node>', 'its name')
    .requiredOption('--address <ip>', 'of the other machine, on a network that both share')
    .option('--server <url>', 'of the API server, as the other machine reaches it (usually one of `up --listen`)')
    .option('-o, --output <file>', 'usually NODE.invitation.json')
    .action((node: string, options: InviteOptions) => invite(context, node, options));

async function invite(context: CliContext, node: string, options: InviteOptions): Promise<void> {
  const { findCluster } = await import('./cluster-selection.ts');
  const { writeJsonFile } = await import('#node/machine/json-file.ts');
  const { control } = await findCluster(context, options);
  if (!(await control.statusIfRunning()))
    throw new UserError(`Cluster "${options.name}" is down; start it with \`kedge up\`.`);
  const { address, server } = options;
  const invitation = await control.inviteNode(node, { address, ...(server && { server }) });
  const file = resolve(options.output ?? `${node}.invitation.json`);
  await writeJsonFile(file, invitation);
  context.out(file);
  context.note(
    `On ${address}, as root: kedge agent --invitation ${file}. It holds private keys; delete it afterwards.`,
  );
}
