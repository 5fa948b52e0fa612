/** An image's files as a read-only folder: a view of containerd's snapshot service, mounted by `ctr`, gone with its mount. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { RuntimeError } from '#node/runtime/runtime-error.ts';

interface Where {
  socketPath: string;
  ctr: string;
}

const run = promisify(execFile);
const TIMEOUT_MS = 120_000;

/** As the CRI's own: what it has unpacked is found there. */
const SNAPSHOTTER = 'overlayfs';

export async function mountImage(image: string, target: string, where: Where): Promise<void> {
  await images(['mount', '--snapshotter', SNAPSHOTTER, image, target], where);
}

/** The snapshot has its target's name. One that is not there is no error. */
export async function unmountImage(target: string, where: Where): Promise<void> {
  try {
    await images(['unmount', '--snapshotter', SNAPSHOTTER, '--rm', target], where);
  } catch (error) {
    if (!(error instanceof RuntimeError) || !/not found|does not exist|invalid argument/.test(error.message))
      throw error;
  }
}

async function images(args: readonly string[], { socketPath, ctr }: Where): Promise<void> {
  const argv = ['--address', socketPath, '--namespace', 'k8s.io', 'images', ...args];
  try {
    await run(ctr, argv, { timeout: TIMEOUT_MS, maxBuffer: 1024 * 1024 });
  } catch (error) {
    const said = (error as { stderr?: string }).stderr?.trim().split('\n').at(-1);
    throw new RuntimeError('Unknown', said || (error as Error).message, error as Error);
  }
}
