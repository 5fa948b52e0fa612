/** The processes of a cluster's nodes: found, killed, started with another configuration, and their networks entered. */
import { readFileSync, writeFileSync } from 'node:fs';
import { eventually, type KedgeCluster, run } from './running-cluster.ts';
import { signalProcess } from './signal-process.ts';

export interface ProcessStatus {
  name: string;
  pid?: number;
  restarts: number;
  state: string;
}

/** @param name `control-plane`, or `NODE/kubelet`, `NODE/net`. */
export async function processOf(cluster: KedgeCluster, name: string): Promise<ProcessStatus | undefined> {
  const { stdout } = await cluster.try('status', '--json', '--name', cluster.name);
  return (JSON.parse(stdout) as { processes: ProcessStatus[] }).processes.find((each) => each.name === name);
}

export const pidOf = async (cluster: KedgeCluster, name: string): Promise<number> =>
  (await processOf(cluster, name))?.pid ?? 0;

/** Kills it, and waits for the one in its place. */
export async function killed(cluster: KedgeCluster, name: string): Promise<void> {
  const pid = await pidOf(cluster, name);
  // Nobody else's: it must be the program itself.
  if (!readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('kedge')) throw new Error(`${pid} is not ${name}`);
  signalProcess(pid, 'SIGKILL');
  await eventually(`${name} runs again`, async () => {
    const now = await processOf(cluster, name);
    return now?.state === 'running' && now.pid !== pid;
  });
}

/** Until its node is started anew, which writes the configuration as the cluster has it. */
export async function reconfigured(cluster: KedgeCluster, name: string, change: object): Promise<void> {
  const args = readFileSync(`/proc/${await pidOf(cluster, name)}/cmdline`, 'utf8').split('\0');
  const path = args[args.indexOf('--config') + 1] ?? '';
  writeFileSync(path, JSON.stringify({ ...(JSON.parse(readFileSync(path, 'utf8')) as object), ...change }));
  await killed(cluster, name);
}

/** With the programs of this machine. Throws what they complain of. */
export async function inNetworkOf(pid: number, command: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run('nsenter', ['-t', String(pid), '-n', ...command]);
  if (code !== 0) throw new Error(`${command.join(' ')} in the network of ${pid}: ${stderr}`);
  return stdout;
}
