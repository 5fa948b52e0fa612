/** Which cluster a command means: `--name` and, where it is not the usual one, `--data-dir`. */
import { statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import {
  type ClusterPaths,
  type ClusterRecord,
  checkedClusterName,
  clusterPaths,
  clustersFolder,
  readCluster,
} from '#node/machine/cluster-dir.ts';
import { rangesInUse } from '#node/machine/host-network.ts';
import { onPath } from '#node/machine/detect.ts';
import { type SlotRegister, slotOwners } from '#node/machine/slots.ts';
import { allStarted } from '#node/machine/started-processes.ts';
import { type CliContext, UserError } from './context.ts';
import { ControlClient } from './control-client.ts';
import type { ClusterStatus } from './control-protocol.ts';
import { isPortFree } from './free-port.ts';

export const DEFAULT_NAME = 'dev';

export interface Selection {
  name: string;
  dataDir?: string;
}

export const withSelection = (command: Command): Command =>
  command
    .option('--name <name>', 'which cluster', DEFAULT_NAME)
    .option('--data-dir <folder>', "where the cluster's data are, if not in the usual place");

/** The register of all clusters of this user on this machine. */
export const registerOf = ({ env, clock }: CliContext): SlotRegister => ({
  folder: join(clustersFolder(env), '.machine'),
  clock,
  rangesInUse: async () => ((await onPath('ip')) ? rangesInUse() : []),
  isPortFree,
});

/** Also finds a cluster by its name alone that was once given a folder of its own. */
export async function pathsOf(context: CliContext, { name, dataDir }: Selection): Promise<ClusterPaths> {
  checkedClusterName(name);
  if (dataDir) return clusterPaths(name, folderAt(resolve(dataDir)));
  const known = (await slotOwners(registerOf(context))).find((owner) => owner.name === name);
  return clusterPaths(name, known?.dataDir ?? join(clustersFolder(context.env), name));
}

/** One that is not there yet is made. */
function folderAt(path: string): string {
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found || found.isDirectory()) return path;
  throw new UserError(`${path} is not a folder; give another --data-dir`);
}

export interface FoundCluster {
  paths: ClusterPaths;
  cluster: ClusterRecord;
  control: ControlClient;
}

/** Throws UserError when there is no such cluster. */
export async function findCluster(context: CliContext, selection: Selection): Promise<FoundCluster> {
  const paths = await pathsOf(context, selection);
  const cluster = await readCluster(paths, selection.name);
  if (cluster) return { paths, cluster, control: new ControlClient(paths.controlSocket) };
  const known = (await slotOwners(registerOf(context))).map(({ name }) => name);
  const others =
    known.length > 0 ? ` There is: ${known.join(', ')}.` : ` Start one with: ${commandFor('up', selection)}`;
  throw new UserError(`There is no cluster "${selection.name}".${others}`);
}

/** Throws UserError when there is no such cluster, or nobody supervises it. */
export async function findRunning(
  context: CliContext,
  selection: Selection,
): Promise<FoundCluster & { status: ClusterStatus }> {
  const found = await findCluster(context, selection);
  const status = await found.control.statusIfRunning();
  if (status) return { ...found, status };
  throw new UserError(whyDown(selection, found.paths, [...(await allStarted(found.paths)).keys()]));
}

/** `left`: the cluster's processes that live all the same. */
export function whyDown(selection: Selection, { dataDir }: Pick<ClusterPaths, 'dataDir'>, left: readonly string[]) {
  const cluster = `Cluster "${selection.name}"`;
  const [up, down] = [commandFor('up', selection), commandFor('down', selection)];
  if (left.includes('supervisor')) return `${cluster} is only starting, or stopping; try again in a moment.`;
  if (left.length === 0) return `${cluster} is down; its data are in ${dataDir}. Start it with: ${up}`;
  return `${cluster} has lost its supervisor; ${left.join(', ')} run on without it. Take them over with: ${up}, or end them with: ${down}`;
}

/** What the user would type: `kedge up --name other`. */
export const commandFor = (command: string, { name, dataDir }: Selection): string =>
  [
    'kedge',
    command,
    ...(name === DEFAULT_NAME ? [] : ['--name', name]),
    ...(dataDir ? ['--data-dir', dataDir] : []),
  ].join(' ');
