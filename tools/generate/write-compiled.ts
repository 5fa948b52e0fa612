/**
 * `tsx tools/generate/write-compiled.ts <dist>`: starts a control plane of its own and waits until its controllers have made
 * something, and a cluster for tests; then writes down what the engine has compiled for each. Of what needs root and a cluster it
 * writes down what loading it compiles. A step of the build. Each runs in a process with the flags that it is started with later:
 * the engine takes the code of no others.
 */
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ServiceAccount } from '#api/core/v1/service-account.ts';
import { sleep } from '#base/clock.ts';
import { silentLog } from '#base/log.ts';
import { Client } from '#client/client.ts';
import { endpointOf, readKubeconfig } from '#client/transport/kubeconfig.ts';
import { NodeTransport } from '#client/transport/node.ts';
import { loadCompiled } from '#cmd/compiled-program.ts';
import { controlPlaneProgram, kubeletProgram } from '#cmd/engine-options.ts';
import { ensureClusterCredentials } from '#cmd/supervisor/cluster-credentials.ts';
import { systemClock } from '#cmd/system-clock.ts';
import { clusterPaths, FORMAT_VERSION } from '#node/machine/cluster-dir.ts';
import { SLOTS } from '#node/machine/slots.ts';
import { freePort } from '#testing/free-port.ts';

type Program = typeof import('#cmd/control-plane/run-control-plane.ts');

const WITHIN_MS = 300_000; // on a machine that has much else to do

const [, tool = '', dist, program] = process.argv;
if (!dist) throw new Error('usage: write-compiled.ts <dist>');

const here = [process.execPath, ...process.execArgv, tool, dist];
if (program === 'control-plane') await compileControlPlane(join(dist, 'control-plane.cjs'));
else if (program === 'testing') await compileTesting(join(dist, 'testing.cjs'));
else if (program) loadCompiled(join(dist, `${program}.cjs`)).keep();
else {
  inProcess([...controlPlaneProgram(here), 'control-plane']);
  inProcess([...kubeletProgram(here), 'kubelet']);
  for (const each of ['supervisor', 'net', 'testing']) inProcess([...here, each]);
}
process.exit(0);

function inProcess([node = '', ...line]: readonly string[]): void {
  const { status } = spawnSync(node, line, { stdio: 'inherit', timeout: WITHIN_MS });
  if (status !== 0) process.exit(status ?? 1);
}

async function compileTesting(file: string): Promise<void> {
  const { exports, keep } = loadCompiled<typeof import('#testing/kedge-testing.ts')>(file);
  const cluster = await exports.startCluster();
  await cluster[Symbol.asyncDispose]();
  keep();
}

async function compileControlPlane(file: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'kedge-build-'));
  try {
    const { exports, keep } = loadCompiled<Program>(file);
    await startAndEnd(exports, folder);
    keep();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function startAndEnd({ startControlPlane }: Program, folder: string): Promise<void> {
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
