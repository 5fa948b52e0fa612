/** `kedge status`: what runs, and what does not. */
import { Command } from 'commander';
import { withSelection } from './cluster-selection.ts';
import type { CliContext } from './context.ts';
import type { ClusterStatus } from './control-protocol.ts';

export const statusCommand = (context: CliContext): Command =>
  withSelection(new Command('status'))
    .summary('tell what of a cluster runs')
    .description(
      'Tells what of a cluster runs. Exit code 0 when all of it does, 1 when it is down or something is missing.',
    )
    .option('--json', 'as JSON')
    .action(async (options: { name: string; dataDir?: string; json?: boolean }) => {
      const { findRunning } = await import('./cluster-selection.ts');
      const { status } = await findRunning(context, options);
      for (const line of options.json ? [JSON.stringify(status)] : linesOf(status)) context.out(line);
      if (!isWhole(status)) process.exitCode = 1;
    });

export const isWhole = ({ phase, nodes, processes }: ClusterStatus): boolean =>
  phase === 'running' &&
  nodes.every(({ state }) => state === 'running' || state === 'stopped') &&
  processes.every(
    ({ state, name }) =>
      state === 'running' || nodes.some((node) => node.state === 'stopped' && name.startsWith(`${node.name}/`)),
  );

export function linesOf(status: ClusterStatus): string[] {
  const { name, phase, server, dataDir, supervisorPid, processes, nodes, simulatedNodes, warnings } = status;
  // A supervisor of an older build says nothing of these.
  const { nodesElsewhere = [], published = [] } = status as Partial<ClusterStatus>;
  const rows = [
    ...nodes.map((node) => [
      `node ${node.name}`,
      node.isSimulated ? 'simulated' : (node.message ?? node.state),
      node.addresses.join(', '),
      node.podRanges.join(', '),
    ]),
    ...nodesElsewhere.map((node) => [
      `node ${node.name}`,
      'elsewhere',
      node.addresses.join(', '),
      node.podRanges.join(', '),
    ]),
    ...(simulatedNodes > 0 ? [['simulated nodes', String(simulatedNodes), '', '']] : []),
    ...published.map(({ port, to, problem }) => [
      `port ${port}`,
      problem ? 'not published' : 'published',
      to,
      problem ?? '',
    ]),
    ...processes.map(({ name: process, state, pid, restarts }) => [
      process,
      state,
      pid ? `process ${pid}` : '',
      restarts > 0 ? `started again ${restarts === 1 ? 'once' : `${restarts} times`}` : '',
    ]),
  ];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return [
    `cluster ${name} is ${phase}: ${server}, data in ${dataDir}, supervisor ${supervisorPid}`,
    ...rows.map((row) => `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd()),
    ...warnings.map((warning) => `! ${warning}`),
  ];
}
