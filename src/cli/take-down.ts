/** Takes a cluster down: through its supervisor where one runs, else by ending what is on record. */
import { readCluster } from '#node/machine/cluster-dir.ts';
import { purge, takeDown } from '#node/machine/cluster-removal.ts';
import { detectMachine } from '#node/machine/detect.ts';
import { isAlive, type ProcessRecord, recordOf } from '#node/machine/process-record.ts';
import { releaseSlot } from '#node/machine/slots.ts';
import { allStarted, endProcess } from '#node/machine/started-processes.ts';
import { pathsOf, registerOf, type Selection } from './cluster-selection.ts';
import { type CliContext, UserError } from './context.ts';
import { ControlClient } from './control-client.ts';
import { removeFromKubeconfig, userKubeconfig } from './kubeconfig-merge.ts';
import { until } from './local-api.ts';
import { forgetSupervisor } from './start-supervisor.ts';

const CONTAINER_GRACE_MS = 3_000;
const PATIENCE_MS = 90_000;

/**
 * May be repeated. `starting` is a supervisor that may have neither a socket nor a record yet, and would go on unseen.
 * @returns false when there was nothing to take down.
 */
export async function takeClusterDown(
  context: CliContext,
  selection: Selection,
  starting?: ProcessRecord,
): Promise<boolean> {
  const { clock } = context;
  const paths = await pathsOf(context, selection);
  const facts = await detectMachine();
  const control = new ControlClient(paths.controlSocket);
  const status = await control.statusIfRunning();
  if (status) {
    const supervisor = recordOf(status.supervisorPid);
    await control.stop(CONTAINER_GRACE_MS);
    const gone = async () => (isAlive(supervisor) ? undefined : true);
    await until('the supervisor ends', gone, { clock, timeoutMs: PATIENCE_MS });
  }
  if (starting) await endProcess(starting, { clock, graceMs: PATIENCE_MS });
  const cluster = await readCluster(paths, selection.name);
  const left = await allStarted(paths); // by a supervisor that was killed, or that has no socket yet
  if (cluster) await takeDown({ cluster, paths, facts, clock, graceMs: CONTAINER_GRACE_MS });
  await forgetSupervisor(selection.name, facts);
  return status !== undefined || left.size > 0;
}

/** Removes what the cluster has on disk, its context, and its place on the machine. It must be down. */
export async function purgeCluster(context: CliContext, selection: Selection): Promise<void> {
  const paths = await pathsOf(context, selection);
  if (!(await readCluster(paths, selection.name))) throw new UserError(`There is no cluster "${selection.name}".`);
  await purge(paths);
  await releaseSlot(registerOf(context), { name: selection.name, dataDir: paths.dataDir });
  await removeFromKubeconfig(userKubeconfig(context.env), `kedge-${selection.name}`, context.clock);
}
