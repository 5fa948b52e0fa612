/** The built control plane as the supervisor starts it: a process of its own, LMDB in a folder that goes away, TLS on loopback. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { readKubeconfig } from '#client/transport/kubeconfig.ts';
import { controlPlaneProgram } from '#cmd/engine-options.ts';
import { ensureClusterCredentials, localServer } from '#cmd/supervisor/cluster-credentials.ts';
import { systemClock } from '#cmd/system-clock.ts';
import {
  type ClusterPaths,
  type ClusterRecord,
  clusterPaths,
  FORMAT_VERSION,
  writeCluster,
} from '#node/machine/cluster-dir.ts';
import { SLOTS } from '#node/machine/slots.ts';
import { freePort } from '#testing/free-port.ts';
import type { Bench } from './bench.ts';
import { askOnce, type Target } from './http2-load.ts';

export const KEDGE = resolve(import.meta.dirname, '../dist/kedge.mjs');

const READY_WITHIN_MS = 60_000;
const POLL_MS = 4;

/** A cluster on record that nobody supervises. */
export interface BenchCluster {
  record: ClusterRecord;
  paths: ClusterPaths;
  target: Target;
}

export interface ControlPlaneProcess {
  target: Target;
  pid: number;
  /** From the start of the process to the first 200 of /readyz. */
  readyMs: number;
  logFile: string;
  /** TERM, and resolves when it has ended. */
  stop(): Promise<void>;
}

export async function newCluster(bench: Bench, { simulatedNodes = 0 } = {}): Promise<BenchCluster> {
  const paths = clusterPaths('bench', await bench.folder());
  const record: ClusterRecord = {
    formatVersion: FORMAT_VERSION,
    name: 'bench',
    slot: SLOTS - 1, // clusters of this machine take the first ones
    apiServerPort: await freePort(),
    nodes: {},
    simulatedNodes,
    settings: {},
  };
  await writeCluster(paths, record);
  await ensureClusterCredentials(record, paths, systemClock);
  return { record, paths, target: targetOf(paths.kubeconfig, localServer(record)) };
}

/** The API server of a kubeconfig, as its owner. */
export function targetOf(kubeconfig: string, origin?: string): Target {
  const { cluster, user } = readKubeconfig(kubeconfig);
  const pem = (data: string | undefined) => Buffer.from(data ?? '', 'base64').toString();
  return {
    origin: origin ?? cluster.server,
    tls: {
      ca: pem(cluster['certificate-authority-data']),
      cert: pem(user['client-certificate-data']),
      key: pem(user['client-key-data']),
    },
  };
}

export async function startControlPlane(
  bench: Bench,
  cluster?: BenchCluster,
  nodeOptions: readonly string[] = [],
): Promise<ControlPlaneProcess> {
  const { paths, target } = cluster ?? (await newCluster(bench));
  const logFile = join(paths.dataDir, 'control-plane.log');
  const log = openSync(logFile, 'a', 0o600);
  const [node = '', ...line] = controlPlaneProgram([bench.node, ...nodeOptions, KEDGE]);
  const args = [...line, 'control-plane', '--data-dir', paths.dataDir, '--name', 'bench'];
  const began = performance.now();
  const child = spawn(node, args, { stdio: ['ignore', log, log] });
  closeSync(log);
  const stop = () => end(child, 'SIGTERM');
  bench.atEnd(() => end(child, 'SIGKILL'));
  await ready(target, child, logFile);
  return { target, pid: child.pid ?? 0, readyMs: performance.now() - began, logFile, stop };
}

async function ready(target: Target, child: ChildProcess, logFile: string): Promise<void> {
  let last: unknown;
  for (const deadline = performance.now() + READY_WITHIN_MS; performance.now() < deadline; await delay(POLL_MS)) {
    if (child.exitCode !== null || child.signalCode !== null) break;
    try {
      await askOnce(target, { path: '/readyz' });
      return;
    } catch (error) {
      last = error; // not listening yet, or not ready yet
    }
  }
  const text = readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-5).join('\n');
  throw new Error(`the control plane is not ready; its log ends with\n${text}`, { cause: last });
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill(signal);
  await gone;
}
