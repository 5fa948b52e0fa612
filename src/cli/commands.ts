/** All commands, in the order in which `kedge --help` lists them. */
import type { Command } from 'commander';
import type { CliContext } from './context.ts';
import { agentCommand } from './agent.ts';
import { downCommand } from './down.ts';
import { imageCommand } from './image.ts';
import { kubeconfigCommand } from './kubeconfig.ts';
import { kubectlCommand } from './kubectl.ts';
import { logsCommand } from './logs.ts';
import { nodeCommand } from './node.ts';
import { statusCommand } from './status.ts';
import { upCommand } from './up.ts';

export const commands: readonly ((context: CliContext) => Command)[] = [
  upCommand,
  downCommand,
  statusCommand,
  kubeconfigCommand,
  kubectlCommand,
  logsCommand,
  nodeCommand,
  agentCommand,
  imageCommand,
];
