/** What `kedge up` does, in order. */
import { join } from 'node:path';
import pc from 'picocolors';
import type { ClusterPaths } from '#node/machine/cluster-dir.ts';
import { detectMachine, missingForNodes } from '#node/machine/detect.ts';
import { LockTimeout, withFileLock } from '#node/machine/file-lock.ts';
import type { ProcessRecord } from '#node/machine/process-record.ts';
import { apiServerFlagsIn } from './api-server-options.ts';
import { bringUp } from './bring-up.ts';
import { commandFor, pathsOf, registerOf } from './cluster-selection.ts';
import { cniConfigFile } from './cni-config-file.ts';
import { type CliContext, UserError } from './context.ts';
import { ControlClient } from './control-client.ts';
import { credentialProvidersFile } from './credential-providers-file.ts';
import { stayInForeground } from './foreground.ts';
import { kubeletConfigFile } from './kubelet-config-file.ts';
import { prepareCluster } from './prepare-cluster.ts';
import { progressOn } from './progress.ts';
import { authoritiesIn, refuseOtherAuthorities, takeOverAuthorities } from './shared-authorities.ts';
import { startSupervisor } from './start-supervisor.ts';
import { takeClusterDown } from './take-down.ts';
import type { Session, UpOptions } from './up-session.ts';

export async function runUp(context: CliContext, options: UpOptions): Promise<void> {
  const paths = await pathsOf(context, options);
  // By its name: the data directory may not be there yet.
  const lock = join(registerOf(context).folder, `${options.name}.up.lock`);
  const alone = { path: lock, clock: context.clock, timeoutMs: 0 };
  const { control, signal } = await withFileLock(alone, () => start(context, options, paths)).catch(
    (error: unknown) => {
      if (!(error instanceof LockTimeout)) throw error;
      throw new UserError(
        `Cluster "${options.name}" is being started by another process. ` +
          `Look at it with \`${commandFor('status', options)}\`, or start another with --name.`,
      );
    },
  );
  if (!options.detach) await stayInForeground({ context, selection: options, control, signal });
}

/** One process at a time: whoever fails takes down what is there, and that has to be its own. */
async function start(context: CliContext, options: UpOptions, paths: ClusterPaths): Promise<Session> {
  const facts = await detectMachine();
  const control = new ControlClient(paths.controlSocket);
  const running = await control.statusIfRunning();
  if (running) {
    throw new UserError(
      `Cluster "${options.name}" is running already (process ${running.supervisorPid}). ` +
        `Look at it with \`${commandFor('status', options)}\`, stop it with \`${commandFor('down', options)}\`, ` +
        'or start another with --name.',
    );
  }
  const { nodes, simulatedNodes, apiServerPort, listen, publish } = options;
  const { nodeMonitorGracePeriod, defaultTolerationSeconds } = options;
  const settings = {
    ...(nodeMonitorGracePeriod !== undefined && { nodeMonitorGracePeriodSeconds: nodeMonitorGracePeriod }),
    ...(defaultTolerationSeconds !== undefined && { defaultTolerationSeconds }),
    ...(options.kubeletConfig && { kubelet: await kubeletConfigFile(context, options.kubeletConfig) }),
    ...(await credentialProvidersFile(options)),
    ...(options.cniConfig && { cni: await cniConfigFile(options.cniConfig) }),
    ...(options.proxyMode && { proxyMode: options.proxyMode }),
    ...(options.ipvsScheduler && { ipvsScheduler: options.ipvsScheduler }),
    ...(options.overlay && { overlay: options.overlay === 'vxlan' ? options.overlay : undefined }),
    apiServer: apiServerFlagsIn(options),
  };
  const authorities = options.pkiDir ? await authoritiesIn(options.pkiDir) : undefined;
  if (authorities) await refuseOtherAuthorities(paths.pki, authorities);
  const missing = missingForNodes(facts);
  const cluster = await prepareCluster(context, paths, {
    name: options.name,
    nodes,
    simulatedNodes,
    apiServerPort,
    listen,
    publish,
    ...(options.ipFamilies && { ipFamilies: options.ipFamilies }),
    settings,
    isOnPaper: missing.length > 0,
  });
  if (authorities) await takeOverAuthorities(paths.pki, authorities);

  const beganMs = context.clock.now();
  const interrupted = new AbortController();
  // From here on this process has something to take down, and ends only after that.
  for (const signal of SIGNALS) process.on(signal, () => interrupted.abort(new UserError('Interrupted.')));
  const progress = progressOn(process.stderr, context.clock);
  const flags = cluster.settings.apiServer ?? {};
  const session = { context, options, paths, control, progress, missing, flags, signal: interrupted.signal, beganMs };
  let supervisor: ProcessRecord | undefined;
  try {
    supervisor = await startSupervisor(context, { name: options.name, paths, facts, atBoot: options.detach === true });
    await bringUp(session);
  } catch (error) {
    context.note(interrupted.signal.aborted ? 'Stopping what was started …' : pc.red(`${(error as Error).message}`));
    await takeClusterDown(context, options, supervisor);
    throw interrupted.signal.aborted ? new UserError('Interrupted.') : new UserError('The cluster did not come up.');
  }
  return session;
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
