/** The process `kedge supervisor`: one for each cluster that runs. */
import { parseArgs } from 'node:util';
import { systemClock } from '#cmd/system-clock.ts';
import { clusterPaths, readCluster } from '#node/machine/cluster-dir.ts';
import { detectMachine } from '#node/machine/detect.ts';
import { keepLogsShort } from '#node/machine/short-logs.ts';
import { forgetStarted } from '#node/machine/started-processes.ts';
import { processLog } from '../process-log.ts';
import { VERSION } from '../version.ts';
import { type ControlServer, serveControl } from './control-server.ts';
import { becomeSoleKeeper } from './sole-keeper.ts';
import { Supervisor } from './supervisor.ts';

const SIGNAL_GRACE_MS = 5_000;

export async function runSupervisor(args: readonly string[], program: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: { name: { type: 'string' }, 'data-dir': { type: 'string' } },
  });
  const { name, 'data-dir': dataDir } = values;
  if (!name || !dataDir) throw new Error('supervisor needs --name and --data-dir');
  const log = processLog('supervisor');
  const paths = clusterPaths(name, dataDir);
  const cluster = await readCluster(paths, name);
  if (!cluster) throw new Error(`there is no cluster in ${dataDir}`);
  const facts = await detectMachine();
  await becomeSoleKeeper(paths, 'supervisor', `cluster "${name}"`);

  let control: ControlServer | undefined;
  let stopping: Promise<void> | undefined;
  const { settings } = cluster;
  const context = { paths, facts, settings, clock: systemClock, log, program, onChange: () => control?.changed() };
  const supervisor = new Supervisor(context, cluster, VERSION);
  const stop = (graceMs: number) => {
    stopping ??= supervisor.stop(graceMs).then(
      async () => {
        log.info('the cluster is down');
        control?.close();
        await forgetStarted(paths, 'supervisor');
        process.exit(0);
      },
      (error: unknown) => {
        log.error('the cluster could not be taken down', { error });
        process.exit(1);
      },
    );
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop(SIGNAL_GRACE_MS));
  process.on('SIGHUP', () => undefined); // the terminal that started it may go
  control = await serveControl({ socketPath: paths.controlSocket, supervisor, onStop: stop });
  void keepLogsShort({ folder: paths.logs, clock: systemClock, log });
  log.info('supervising', { cluster: name, dataDir });
  await supervisor.start();
}
