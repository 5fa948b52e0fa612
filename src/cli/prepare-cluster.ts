/** From the options of `up` to a cluster on record: a new one, or the one that is there, changed as asked. */
import { modeTrouble } from '#network/proxy/mode-trouble.ts';
import {
  type ClusterPaths,
  type ClusterRecord,
  type ClusterSettings,
  FORMAT_VERSION,
  type PublishedServicePort,
  readCluster,
  writeCluster,
} from '#node/machine/cluster-dir.ts';
import { purge } from '#node/machine/cluster-removal.ts';
import { freeIndex } from '#node/machine/node-layout.ts';
import { type IpFamilies, releaseSlot, type SlotPlan, takeSlot } from '#node/machine/slots.ts';
import { findStarted } from '#node/machine/started-processes.ts';
import { changedFlags } from './api-server-options.ts';
import { registerOf } from './cluster-selection.ts';
import { type CliContext, UserError } from './context.ts';
import { makeDataFolder } from './data-folder.ts';
import { isPortFree } from './free-port.ts';

export interface ClusterWish {
  name: string;
  /** undefined: as it is; two for a new cluster. */
  nodes?: number;
  simulatedNodes?: number;
  apiServerPort?: number;
  /** Addresses of this machine for others to reach the API server at; undefined: as it is. */
  listen?: string[];
  /** Undefined: as it is. */
  publish?: PublishedServicePort[];
  /** undefined: as it is; IPv4 alone for a new cluster. */
  ipFamilies?: IpFamilies;
  settings: ClusterSettings;
  /** Nodes are simulated: nothing of this machine's kernel is needed. */
  isOnPaper?: boolean;
}

const DEFAULT_NODES = 2;

/** Throws UserError, BadDataDir or NoSlot; nothing stays behind then. */
export async function prepareCluster(
  context: CliContext,
  paths: ClusterPaths,
  wish: ClusterWish,
): Promise<ClusterRecord> {
  const existing = await readCluster(paths, wish.name);
  const owner = { name: wish.name, dataDir: paths.dataDir };
  await makeDataFolder(paths.dataDir);
  refuseOtherFamilies(existing, wish);
  const plan = await takeSlot(registerOf(context), owner, existing?.ipFamilies ?? wish.ipFamilies);
  try {
    const cluster = changedBy(existing ?? newCluster(wish, plan), wish);
    refuseProxySettings(cluster, wish);
    // After a crash of the supervisor alone it is our own API server that has the port, and it will be adopted.
    if (!(await findStarted(paths, 'control-plane'))) await refuseIfTaken(cluster.apiServerPort, plan);
    // A supervisor that lives has them itself.
    if (!(await findStarted(paths, 'supervisor'))) await refusePublished(cluster.publish ?? []);
    await writeCluster(paths, cluster);
    return cluster;
  } catch (error) {
    if (!existing) {
      await releaseSlot(registerOf(context), owner);
      await purge(paths);
    }
    throw error;
  }
}

const newCluster = (
  { name, nodes = DEFAULT_NODES, ipFamilies }: ClusterWish,
  { slot, apiServerPort }: SlotPlan,
): ClusterRecord => ({
  formatVersion: FORMAT_VERSION,
  name,
  slot,
  apiServerPort,
  ...(ipFamilies && ipFamilies.length > 1 && { ipFamilies }),
  nodes: withNodes({}, nodes),
  simulatedNodes: 0,
  settings: {},
});

/** Addresses are given out already. */
function refuseOtherFamilies(existing: ClusterRecord | undefined, { ipFamilies: wished, name }: ClusterWish): void {
  if (!existing || !wished) return;
  const { ipFamilies: has = ['IPv4'] } = existing;
  if (wished.join() === has.join()) return;
  throw new UserError(
    `Cluster "${name}" has addresses of ${has.join(' and ')}, and keeps them. ` +
      'Take it down with --purge and start anew, or start another with --name.',
  );
}

/** Of kube-proxy: what this machine cannot do, and what would be without effect. */
export function refuseProxySettings({ name, settings }: ClusterRecord, wish: ClusterWish): void {
  const { proxyMode = 'nftables', ipvsScheduler } = settings;
  if (wish.settings.ipvsScheduler && proxyMode !== 'ipvs') {
    throw new UserError(
      `--ipvs-scheduler ${ipvsScheduler} is for the mode ipvs, and kube-proxy of cluster "${name}" has the mode ${proxyMode}. ` +
        'Give --proxy-mode ipvs as well, or leave --ipvs-scheduler out.',
    );
  }
  const trouble = wish.isOnPaper ? undefined : modeTrouble(settings);
  if (trouble) throw new UserError(trouble);
}

/** Nodes are only added here: those there are hold pods and volumes, and go by `kedge node remove`. */
export function changedBy(cluster: ClusterRecord, wish: ClusterWish): ClusterRecord {
  return {
    ...cluster,
    nodes: withNodes(cluster.nodes, wish.nodes ?? 0),
    simulatedNodes: wish.simulatedNodes ?? cluster.simulatedNodes,
    apiServerPort: wish.apiServerPort ?? cluster.apiServerPort,
    ...(wish.listen && { listen: wish.listen.filter((address) => !address.startsWith('127.')) }),
    ...(wish.publish && { publish: wish.publish }),
    settings: settingsOf(cluster.settings, wish.settings),
  };
}

function settingsOf(before: ClusterSettings, wish: ClusterSettings): ClusterSettings {
  const { apiServer: flagsBefore, ...kept } = before;
  const { apiServer: given, ...wanted } = wish;
  const flags = changedFlags(flagsBefore, given);
  return { ...kept, ...wanted, ...(Object.keys(flags).length > 0 && { apiServer: flags }) };
}

function withNodes(nodes: ClusterRecord['nodes'], count: number): ClusterRecord['nodes'] {
  const all = { ...nodes };
  // Machines of their own come by invitation, and are not counted.
  while (Object.values(all).filter(({ address }) => !address).length < count) {
    const index = freeIndex(all);
    all[`node${index}`] = { index };
  }
  return all;
}

async function refusePublished(publish: readonly PublishedServicePort[]): Promise<void> {
  for (const { port, namespace, service, to } of publish) {
    if (await isPortFree(port)) continue;
    throw new UserError(
      `Port ${port} of this machine is in use by another program, so that ${namespace}/${service} cannot be published there. ` +
        `End that program (\`ss -ltnp 'sport = :${port}'\` names it), or give another port: ` +
        `--publish ${port + 1}:${namespace}/${service}:${to}`,
    );
  }
}

async function refuseIfTaken(port: number, { apiServerPort: usual }: SlotPlan): Promise<void> {
  if (await isPortFree(port)) return;
  const other = port === usual ? port + 1000 : usual;
  throw new UserError(
    `Port ${port} of this machine is in use by another program, and the API server needs it. ` +
      `End that program (\`ss -ltnp 'sport = :${port}'\` names it), or give another port: --api-server-port ${other}`,
  );
}
