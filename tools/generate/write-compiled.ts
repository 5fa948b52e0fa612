/**
 * `tsx tools/generate/write-compiled.ts <dist/control-plane.cjs>`: starts a control plane of its own and asks it what a first
 * client asks; then writes down what the engine has compiled for that. A step of the build, run with the flags of a control
 * plane: the engine takes the code of no other.
 */
import { spawnSync } from 'node:child_process';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ServiceAccount } from '#api/core/v1/service-account.ts';
import { sleep } from '#base/clock.ts';
import { silentLog } from '#base/log.ts';
import { Client } from '#client/client.ts';
import { endpointOf, readKubeconfig } from '#client/transport/kubeconfig.ts';
import { NodeTransport } from '#client/transport/node.ts';
import { loadCompiled } from '#cmd/compiled-program.ts';
import { controlPlaneProgram } from '#cmd/engine-options.ts';
import { ensureClusterCredentials } from '#cmd/supervisor/cluster-credentials.ts';
import { systemClock } from '#cmd/system-clock.ts';
import { clusterPaths, FORMAT_VERSION } from '#node/machine/cluster-dir.ts';
import { SLOTS } from '#node/machine/slots.ts';
import { freePort } from '#testing/free-port.ts';

type Program = typeof import('#cmd/control-plane/run-control-plane.ts');

const WITHIN_MS = 60_000;

const [, tool = '', file, isHere] = process.argv;
if (!file) throw new Error('usage: write-compiled.ts <file>');
if (!isHere) {
  const [node = '', ...line] = controlPlaneProgram([process.execPath, ...process.execArgv, tool, file, 'here']);
  const { status } = spawnSync(node, line, { stdio: 'inherit', timeout: WITHIN_MS });
  process.exit(status ?? 1);
}

const folder = await mkdtemp(join(tmpdir(), 'kedge-build-'));
try {
  const program = loadCompiled<Program>(file);
  await startAndEnd(program.exports);
  const draft = `${file}.compiled.${process.pid}`;
  await writeFile(draft, program.compiled());
  await rename(draft, `${file}.compiled`);
} finally {
  await rm(folder, { recursive: true, force: true });
}
process.exit(0);

async function startAndEnd({ startControlPlane }: Program): Promise<void> {
  const paths = clusterPaths('build', folder);
  const cluster = {
    formatVersion: FORMAT_VERSION,
    name: 'build',
    slot: SLOTS - 1, // clusters of this machine take the first ones
    apiServerPort: await freePort(),
    nodes: {},
    simulatedNodes: 0,
    settings: {},
  };
  await ensureClusterCredentials(cluster, paths, systemClock);
  const onFailure = (error: Error) => {
    throw error;
  };
  const controlPlane = await startControlPlane({ cluster, paths, simulate: [], log: silentLog, onFailure });
  const endpoint = endpointOf(readKubeconfig(paths.kubeconfig));
  const client = new Client(new NodeTransport({ ...endpoint, clock: systemClock, userAgent: 'build' }));
  while (!(await hasDefaultServiceAccount(client))) await sleep(systemClock, 20);
  await controlPlane.close(0);
}

/** The first thing that controllers make of what a cluster begins with. */
async function hasDefaultServiceAccount(client: Client): Promise<boolean> {
  const { items } = await client.list(ServiceAccount, { namespace: 'default' });
  return items.some(({ metadata }) => metadata.name === 'default');
}
