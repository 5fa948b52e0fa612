/** An etcd of a test's own: Debian's binary on loopback, data in a temporary directory, gone afterwards. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePorts } from '#testing/free-port.ts';

export const etcdIsInstalled = (process.env['PATH'] ?? '').split(delimiter).some((directory) => {
  try {
    accessSync(join(directory, 'etcd'), constants.X_OK);
    return true;
  } catch {
    return false;
  }
});

export interface EtcdServer {
  endpoint: string;
  stop(): Promise<void>;
}

/** Resolves when it answers. A port may be taken between finding and using it: then it is tried again. */
export async function startEtcd(): Promise<EtcdServer> {
  for (let attempt = 1; ; attempt++) {
    const directory = mkdtempSync(join(tmpdir(), 'kedge-etcd-'));
    const [client, peer] = await freePorts(2);
    const endpoint = `http://127.0.0.1:${client}`;
    const server = spawn('etcd', argumentsFor(directory, endpoint, `http://127.0.0.1:${peer}`), { stdio: 'ignore' });
    const stop = async () => {
      await ended(server);
      rmSync(directory, { recursive: true });
    };
    if (await answers(endpoint, server)) return { endpoint, stop };
    await stop();
    if (attempt === 3) throw new Error('etcd does not start');
  }
}

const argumentsFor = (directory: string, client: string, peer: string): string[] => [
  `--data-dir=${directory}`,
  `--listen-client-urls=${client}`,
  `--advertise-client-urls=${client}`,
  `--listen-peer-urls=${peer}`,
  `--initial-advertise-peer-urls=${peer}`,
  `--initial-cluster=default=${peer}`,
  '--heartbeat-interval=5', // ms: alone, it need not wait long to find that it leads
  '--election-timeout=50',
  '--unsafe-no-fsync', // its own durability is not what is tested
  '--log-level=error',
];

async function answers(endpoint: string, server: ChildProcess): Promise<boolean> {
  while (server.exitCode === null && server.signalCode === null) {
    const healthy = await fetch(`${endpoint}/health`).then(
      async (answer) => (await answer.text()).includes('"true"'),
      () => false, // not listening yet
    );
    if (healthy) return true;
    await delay(10);
  }
  return false;
}

async function ended(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  server.kill('SIGKILL');
  await once(server, 'exit');
}
