/** Which cluster a command means: `--name` and, where it is not the usual one, `--data-dir`. */
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
import { type CliContext, UserError } from './context.ts';
import { ControlClient } from './control-client.ts';

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
});

/** Also finds a cluster by its name alone that was once given a folder of its own. */
export async function pathsOf(context: CliContext, { name, dataDir }: Selection): Promise<ClusterPaths> {
  checkedClusterName(name);
  if (dataDir) return clusterPaths(name, resolve(dataDir));
  const known = (await slotOwners(registerOf(context))).find((owner) => owner.name === name);
  return clusterPaths(name, known?.dataDir ?? join(clustersFolder(context.env), name));
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
  const others = known.length > 0 ? ` There is: ${known.join(', ')}.` : ' Start one with: kedge up';
  throw new UserError(`There is no cluster "${selection.name}".${others}`);
}
