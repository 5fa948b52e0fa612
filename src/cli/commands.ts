/** All commands, in the order in which `kedge --help` lists them. */
import type { Command } from 'commander';
import type { CliContext } from './context.ts';
import { agentCommand } from './agent.ts';
import { componentLogsCommand } from './component-logs.ts';
import { downCommand } from './down.ts';
import { imageCommand } from './image.ts';
import { kubeconfigCommand } from './kubeconfig.ts';
import { kubectlCommand } from './kubectl.ts';
import { nodeCommand } from './node.ts';
import { statusCommand } from './status.ts';
import { upCommand } from './up.ts';
import { verbCommand } from './verb-command.ts';
import { verbs } from './verbs/verbs.ts';

export const commands: readonly ((context: CliContext) => Command)[] = [
  upCommand,
  downCommand,
  statusCommand,
  kubeconfigCommand,
  kubectlCommand,
  componentLogsCommand,
  nodeCommand,
  agentCommand,
  imageCommand,
  ...verbs.map(verbCommand),
];
