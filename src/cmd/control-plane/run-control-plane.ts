/** The process `control-plane`: store, API server, controllers and scheduler, joined without a wire. */
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { clusterPaths, readCluster } from '#node/machine/cluster-dir.ts';
import { componentProcess } from '../component-process.ts';
import { startControlPlane } from './control-plane.ts';

const GRACE_MS = 3_000;
/**
 * By how much the heap may grow before it is collected again. The engine's own choice lets a small one grow fourfold: 100,000
 * objects of 2 KB then take a quarter more; a smaller growth costs more collecting than it saves.
 */
const HEAP_GROWTH_PERCENT = 80;

export async function runControlPlane(args: readonly string[]): Promise<void> {
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWTH_PERCENT}`);
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
