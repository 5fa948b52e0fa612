/** A containerd of the test's own: own folders, own CNI range, own runc root. Leaves nothing behind when it is closed. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { connectContainerd } from '#node/runtime/containerd/containerd.ts';
import type { ContainerRuntime } from '#node/runtime/runtime.ts';
import { busyboxImage } from './busybox-image.ts';
import { systemClock } from './system-clock.ts';

export const TEST_IMAGE = 'kedge.local/test-busybox:1';
const PAUSE_IMAGE = 'kedge.local/test-pause:1';

export interface PrivateContainerd {
  /** Everything of this containerd is below. */
  directory: string;
  socketPath: string;
  runtime: ContainerRuntime;
  /** kill -9 and start again, with the same state, or with what `meanwhile` makes of it. */
  restart(meanwhile?: () => void): Promise<void>;
  close(): Promise<void>;
}

/** @param subnet its pods', e.g. `10.213.7.0/24`: not in use by anything else */
export async function startPrivateContainerd(subnet: string): Promise<PrivateContainerd> {
  const directory = mkdtempSync(join(tmpdir(), 'kedge-containerd-'));
  writeConfiguration(directory, subnet);
  const socketPath = join(directory, 'containerd.sock');
  let child = start(directory);
  const runtime = connectContainerd({ socketPath, clock: systemClock });
  await ready(runtime, directory);
  await runtime.importImage(Readable.from(await busyboxImage(PAUSE_IMAGE, { Cmd: ['/bin/sleep', '2147483647'] })));
  await runtime.importImage(Readable.from(await busyboxImage(TEST_IMAGE, { Cmd: ['/bin/sleep', '2147483647'] })));
  return {
    directory,
    socketPath,
    runtime,
    async restart(meanwhile) {
      await stop(child, 'SIGKILL');
      meanwhile?.();
      child = start(directory);
      await ready(runtime, directory);
    },
    async close() {
      for (const { id } of await runtime.listPodSandboxes()) {
        await runtime.stopPodSandbox(id);
        await runtime.removePodSandbox(id);
      }
      runtime.close();
      await stop(child, 'SIGTERM');
      unmountBelow(directory);
      rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

function start(directory: string): ChildProcess {
  const log = openSync(join(directory, 'containerd.log'), 'a', 0o600);
  const child = spawn('containerd', ['--config', join(directory, 'config.toml')], { stdio: ['ignore', log, log] });
  closeSync(log);
  return child;
}

async function stop(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill(signal);
  await gone;
}

async function ready(runtime: ContainerRuntime, directory: string): Promise<void> {
  for (let left = 1_200; ; left--) {
    const ok = await runtime.status().then(
      ({ conditions }) => conditions.every(({ status }) => status),
      (error: Error) => {
        if (left === 0) throw error;
        return false;
      },
    );
    if (ok) return;
    if (left === 0) throw new Error(readFileSync(join(directory, 'containerd.log'), 'utf8').slice(-2000));
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function unmountBelow(directory: string): void {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((path) => path.startsWith(`${directory}/`));
  for (const path of mounts.reverse()) execFileSync('umount', ['-l', path]);
}

function writeConfiguration(directory: string, subnet: string): void {
  const cni = join(directory, 'cni', 'net.d');
  mkdirSync(cni, { recursive: true });
  const network = {
    cniVersion: '0.4.0',
    name: 'test',
    plugins: [
      {
        type: 'ptp',
        ipam: {
          type: 'host-local',
          dataDir: join(directory, 'cni', 'ipam'),
          ranges: [[{ subnet }]],
          routes: [{ dst: '0.0.0.0/0' }],
        },
      },
    ],
  };
  writeFileSync(join(cni, '10-test.conflist'), JSON.stringify(network));
  writeFileSync(
    join(directory, 'config.toml'),
    `version = 2
root = "${directory}/root"
state = "${directory}/state"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs","io.containerd.snapshotter.v1.btrfs","io.containerd.snapshotter.v1.devmapper","io.containerd.snapshotter.v1.zfs","io.containerd.internal.v1.restart"]
[grpc]
  address = "${directory}/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "${directory}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${PAUSE_IMAGE}"
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  netns_mounts_under_state_dir = true
  restrict_oom_score_adj = true
  disable_apparmor = true
  tolerate_missing_hugetlb_controller = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${cni}"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        BinaryName = "/usr/sbin/runc"
        Root = "${directory}/runc"
        SystemdCgroup = false
`,
  );
}
