/** The process `control-plane`: store, API server, controllers and scheduler, joined without a wire. */
import { parseArgs } from 'node:util';
import { clusterPaths, readCluster } from '#node/machine/cluster-dir.ts';
import { componentProcess } from '../component-process.ts';
import { startControlPlane } from './control-plane.ts';

export { startControlPlane } from './control-plane.ts'; // for the build, which compiles this program

const GRACE_MS = 3_000;

export async function runControlPlane(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      name: { type: 'string' },
      'data-dir': { type: 'string' },
      simulate: { type: 'string', multiple: true },
    },
  });
  const { name = '', 'data-dir': dataDir = '', simulate = [] } = values;
  const paths = clusterPaths(name, dataDir);
  const cluster = await readCluster(paths, name);
  if (!cluster) throw new Error(`there is no cluster in ${dataDir}`);
  const component = componentProcess('control-plane');
  const { log } = component;
  const onFailure = (error: Error) => {
    // The supervisor starts it again; what was acknowledged is on disk.
    log.error('the store can accept nothing more; is the disk full?', { error: String(error) });
    process.exit(1);
  };
  const controlPlane = await startControlPlane({ cluster, paths, simulate, log, onFailure });
  log.info('the control plane is ready', { port: cluster.apiServerPort });
  await component.untilTold();
  await controlPlane.close(GRACE_MS);
  process.exit(0);
}
