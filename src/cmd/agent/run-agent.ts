/**
 * `kedge agent`: this machine is one node of a cluster whose control plane is elsewhere. What keeps a node beside the control
 * plane keeps it here; only the network is the machine's own.
 */
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { sleep } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { AgentOptions } from '#cli/context.ts';
import { familiesOf } from '#network/netfilter/ip-family.ts';
import { modeTrouble } from '#network/proxy/mode-trouble.ts';
import { removeMode } from '#network/proxy/modes.ts';
import { BlobStore } from '#node/images/blob-store.ts';
import { type ClusterPaths, cacheFolder, clusterPaths } from '#node/machine/cluster-dir.ts';
import { detectMachine, missingForNodes } from '#node/machine/detect.ts';
import { firewallWarnings } from '#node/machine/firewall.ts';
import { layoutOf, type NodeLayout } from '#node/machine/node-layout.ts';
import { keepLogsShort } from '#node/machine/short-logs.ts';
import { forgetStarted } from '#node/machine/started-processes.ts';
import { processLog } from '../process-log.ts';
import { writeNodeCredentials } from '../supervisor/node-credentials.ts';
import { becomeSoleKeeper } from '../supervisor/sole-keeper.ts';
import { SupervisedNode } from '../supervisor/supervised-node.ts';
import { systemClock } from '../system-clock.ts';
import { type Invitation, readInvitation } from './invitation.ts';

const ROLE = 'agent';
const REPAIR_EVERY_MS = 1_000;
/** As the CNI plugin names the machine's ends of its pods' cables; `+` is any rest, as in iptables. */
const POD_LINKS = 'veth+';
/** How long containers have to end after TERM. */
const GRACE_MS = 5_000;

export class NoNodeHere extends Error {
  readonly code = 'NoNodeHere';
}

/** Resolves when it was told to end and everything of the node has ended. */
export async function runAgent(options: AgentOptions, program: readonly string[]): Promise<void> {
  const invitation = await readInvitation(options.invitation);
  const facts = await detectMachine();
  const missing = missingForNodes(facts).map(({ what, remedy }) => `${what}: ${remedy}`);
  const trouble = modeTrouble(invitation.settings);
  if (trouble) missing.push(`kube-proxy: ${trouble}`);
  if (missing.length > 0) throw new NoNodeHere(`this machine cannot be a node yet.\n  ${missing.join('\n  ')}`);
  const { node, cluster } = invitation;
  const settings = { ...invitation.settings, ...(options.kubelet && { kubelet: options.kubelet }) };
  const paths = agentPaths(invitation, options.dataDir);
  await mkdir(paths.dataDir, { recursive: true, mode: 0o711 });
  await becomeSoleKeeper(paths, ROLE, `node "${node.name}" of cluster "${cluster}"`);

  const told = new Promise<void>((end) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => end());
  });
  process.on('SIGHUP', () => undefined); // the terminal that started it may go
  const log = processLog(ROLE);
  const context = { paths, facts, settings, clock: systemClock, log, program, onChange: () => undefined };
  const layout = agentLayout(invitation, paths);
  const supervised = new SupervisedNode(
    layout,
    context,
    new BlobStore(join(cacheFolder(process.env), 'images'), context.clock),
  );
  const started = writeNodeCredentials(layout, invitation.credentials)
    .then(() => supervised.start())
    .then(async () => {
      for (const warning of await firewallWarnings(POD_LINKS)) log.warn(warning);
      options.ready();
    });
  // A start that fails ends all: what was started is taken down, and the reason told.
  const failed = started.then(
    () => new Promise<never>(() => undefined),
    (error: unknown) => error,
  );
  const ending = new AbortController();
  void keepLogsShort({ folder: paths.logs, clock: systemClock, log, signal: ending.signal });
  const repairs = repairing(supervised, log);
  const failure = await Promise.race([told, failed]);
  await started.catch(() => undefined); // told while it only started: all of it must be there to be ended
  await repairs.stop();
  ending.abort();
  await supervised.stop(GRACE_MS);
  await removeMode(settings.proxyMode ?? 'nftables', familiesOf(invitation.plan.podRanges)).catch((error: unknown) =>
    log.warn('rules of the node may be left', { error: String(error) }),
  );
  await forgetStarted(paths, ROLE);
  if (failure) throw failure;
}

/** Looks after the node's own processes until it is stopped; then none is being started any more. */
function repairing(node: SupervisedNode, log: Log): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const loop = async () => {
    while (!stopping.signal.aborted) {
      await node
        .repair()
        .catch((error: unknown) => log.error('the node could not be made whole again', { error: String(error) }));
      await sleep(systemClock, REPAIR_EVERY_MS, stopping.signal).catch(() => undefined);
    }
  };
  const ended = loop();
  return {
    stop() {
      stopping.abort();
      return ended;
    },
  };
}

/** Apart from those of clusters on this machine, which may have the same name. */
function agentPaths({ cluster }: Invitation, dataDir = `/var/lib/kedge-agent/${cluster}`): ClusterPaths {
  return { ...clusterPaths(cluster, resolve(dataDir)), runDir: `/run/kedge-agent/${cluster}` };
}

const agentLayout = ({ node, plan, cluster, gateway }: Invitation, paths: ClusterPaths): NodeLayout =>
  layoutOf({ ...node, plan, gateway, cgroupRoot: `/kedge-agent/${cluster}/${node.name}/kubepods` }, paths);
