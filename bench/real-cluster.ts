/** A cluster with real nodes, started by the built command, with folders and a kubeconfig of its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, symlink } from 'node:fs/promises';
import { get } from 'node:http';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { clusterPaths, readCluster } from '#node/machine/cluster-dir.ts';
import { detectMachine, missingForNodes } from '#node/machine/detect.ts';
import { type NodeLayout, nodeLayout } from '#node/machine/node-layout.ts';
import type { Bench } from './bench.ts';
import { KEDGE, targetOf } from './control-plane-process.ts';
import { type Ask, exchange, open, RefusedRequest, type Target } from './http2-load.ts';

const EXAMPLE_PORT = 30080;
const EXAMPLE = [
  '/apis/apps/v1/namespaces/default/deployments/myapp',
  '/api/v1/namespaces/default/services/myapp-service',
];
const WITHIN_MS = 60_000;
const POLL_MS = 10;

/** Why this machine has no real nodes; undefined: it can. */
export async function missingHere(): Promise<string | undefined> {
  const missing = missingForNodes(await detectMachine());
  return missing.length > 0 ? missing.map(({ what }) => what).join(', ') : undefined;
}

/** For a measure that has no rows without real nodes: false, with a word to the person who waits, where there are none. */
export async function hasRealNodes(bench: Bench): Promise<boolean> {
  const missing = await missingHere();
  if (missing) bench.say(`no rows: ${missing}`);
  return !missing;
}

export class RealCluster {
  readonly #name = `bench${process.pid}`;
  readonly #nodes: number;
  readonly #folder: string;
  readonly #dataDir: string;

  private constructor(folder: string, nodes: number) {
    this.#folder = folder;
    this.#dataDir = join(folder, 'data');
    this.#nodes = nodes;
  }

  static async make(bench: Bench, { nodes }: { nodes: number }): Promise<RealCluster> {
    const cluster = new RealCluster(await bench.folder(), nodes);
    bench.atEnd(() => cluster.#kedge('down', '--purge'));
    return cluster;
  }

  async up(...args: string[]): Promise<void> {
    await this.#kedge('up', '--nodes', String(this.#nodes), '--detach', ...args);
  }

  async down(): Promise<void> {
    await this.#kedge('down');
  }

  /** ms from starting the command to the first 200 of the example at the first node. */
  async upUntilAnswered(): Promise<number> {
    const { addresses } = await this.layout('node1');
    const url = `http://${addresses[0]}:${EXAMPLE_PORT}`;
    const began = performance.now();
    const up = this.up('--example', 'web');
    up.catch(() => undefined); // awaited below
    let isDown = false;
    up.catch(() => {
      isDown = true;
    });
    while ((await statusOf(url)) !== 200 && !isDown && performance.now() - began < WITHIN_MS) await delay(POLL_MS);
    const tookMs = performance.now() - began;
    await up;
    return tookMs;
  }

  /** Resolves when no pod is left of it. */
  async deleteExample(): Promise<void> {
    const target = this.target();
    const session = await open(target);
    const ask = (request: Ask) => exchange(session, request);
    for (const path of EXAMPLE) await ask({ method: 'DELETE', path }).catch(unlessGone);
    const pods = '/api/v1/namespaces/default/pods';
    await ask({ method: 'DELETE', path: `${pods}?gracePeriodSeconds=0` });
    for (const deadline = performance.now() + WITHIN_MS; performance.now() < deadline; await delay(50)) {
      const { items } = JSON.parse((await ask({ path: pods })).toString()) as { items: unknown[] };
      if (items.length === 0) break;
    }
    session.destroy();
  }

  target(): Target {
    return targetOf(this.#paths().kubeconfig);
  }

  kubeconfig(): string {
    return this.#paths().kubeconfig;
  }

  /** An image with this machine's busybox, all its commands by their names. */
  async loadBusybox(tag: string): Promise<void> {
    const folder = join(this.#folder, 'busybox');
    const busybox = '/bin/busybox';
    await mkdir(join(folder, 'bin'), { recursive: true });
    await copyFile(busybox, join(folder, busybox));
    for (const name of ['sh', 'true', 'sleep', 'echo']) await symlink('busybox', join(folder, 'bin', name));
    await this.#kedge('image', 'build', folder, '--tag', tag);
  }

  /** Of a process that the supervisor keeps: `node1/kubelet`. */
  async pidOf(name: string): Promise<number> {
    const status = JSON.parse(await this.#kedge('status', '--json')) as { processes: { name: string; pid?: number }[] };
    const pid = status.processes.find((process) => process.name === name)?.pid;
    if (!pid) throw new Error(`the cluster has no process ${name}`);
    return pid;
  }

  async layout(node: string): Promise<NodeLayout> {
    const record = await readCluster(this.#paths(), this.#name);
    if (!record) throw new Error('the cluster has no record');
    return nodeLayout(record, this.#paths(), node);
  }

  #paths() {
    return clusterPaths(this.#name, this.#dataDir);
  }

  /** @returns what it wrote to stdout */
  async #kedge(command: string, ...args: string[]): Promise<string> {
    const selection = ['--name', this.#name, '--data-dir', this.#dataDir];
    const child = spawn(process.execPath, [KEDGE, command, ...args, ...selection], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, KUBECONFIG: join(this.#folder, 'kubeconfig') },
    });
    let printed = '';
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      printed += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-4_000);
    });
    const [code] = await once(child, 'close');
    if (code !== 0) throw new Error(`kedge ${command} ended with ${code}\n${said}`);
    return printed;
  }
}

function unlessGone(error: unknown): void {
  if (!(error instanceof RefusedRequest) || error.status !== 404) throw error;
}

/** undefined: no answer. */
function statusOf(url: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    const outgoing = get(url, { agent: false, timeout: 500 }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    });
    outgoing.on('timeout', () => outgoing.destroy());
    outgoing.on('error', () => resolve(undefined));
  });
}
