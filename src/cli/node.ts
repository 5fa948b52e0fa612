/** `kedge node`: nodes come, go, stop and start while the cluster runs. */
import { Command } from 'commander';
import { withSelection } from './cluster-selection.ts';
import { type CliContext, UserError } from './context.ts';
import type { ControlClient } from './control-client.ts';
import { nodeInviteCommand } from './node-invite.ts';
import type { ClusterPaths } from '#node/machine/cluster-dir.ts';

interface Action {
  name: 'add' | 'remove' | 'stop' | 'start';
  summary: string;
  act(control: ControlClient, node: string): Promise<unknown>;
  done: string;
}

const ACTIONS: readonly Action[] = [
  { name: 'add', summary: 'add a node with real containers', act: (c, node) => c.addNode(node), done: 'is added' },
  {
    name: 'remove',
    summary: 'remove a node, its pods and volumes',
    act: (c, node) => c.removeNode(node),
    done: 'is removed',
  },
  {
    name: 'stop',
    summary: 'stop a node, as a power cut would',
    act: (c, node) => c.stopNode(node),
    done: 'is stopped',
  },
  { name: 'start', summary: 'start a node that was stopped', act: (c, node) => c.startNode(node), done: 'is started' },
];

export function nodeCommand(context: CliContext): Command {
  const command = new Command('node')
    .summary('add, remove, stop, start or invite a node')
    .description('Nodes of a running cluster.');
  for (const action of ACTIONS) {
    const sub = withSelection(new Command(action.name))
      .summary(action.summary)
      .description(`${action.summary[0]?.toUpperCase()}${action.summary.slice(1)}.`)
      .argument('<node>', 'its name')
      .action((node: string, options: { name: string; dataDir?: string }) =>
        change(context, action, { node, ...options }),
      );
    command.addCommand(sub);
  }
  return command.addCommand(nodeInviteCommand(context));
}

async function change(
  context: CliContext,
  { name, act, done }: Action,
  options: { node: string; name: string; dataDir?: string },
) {
  const { findRunning } = await import('./cluster-selection.ts');
  const { control, paths } = await findRunning(context, options);
  if (name === 'add') await refuseIfSimulated();
  await act(control, options.node);
  if (name === 'remove') await deleteNodeObject(context, paths, options.node);
  context.note(`Node ${options.node} ${done}.`);
}

async function refuseIfSimulated(): Promise<void> {
  const { detectMachine, missingForNodes } = await import('#node/machine/detect.ts');
  const [first] = missingForNodes(await detectMachine());
  if (first) throw new UserError(`A node with real containers needs ${first.what}. ${first.remedy}`);
}

/** Upstream leaves this to the cloud's node lifecycle controller; here the machine is gone for certain. */
async function deleteNodeObject({ clock }: CliContext, paths: ClusterPaths, node: string): Promise<void> {
  const { localApi } = await import('./local-api.ts');
  const { hasReason } = await import('#api/machinery/status.ts');
  try {
    await localApi(paths.kubeconfig, clock).request({
      method: 'DELETE',
      path: `/api/v1/nodes/${encodeURIComponent(node)}`,
    });
  } catch (error) {
    if (!hasReason(error, 'NotFound')) throw error;
  }
}
