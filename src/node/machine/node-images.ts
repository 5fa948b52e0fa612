/** A node's images, through containerd's own tool (CRI cannot import). */
import { spawn } from 'node:child_process';
import { pipeline } from 'node:stream/promises';
import type { BUILD_NAMESPACE } from './killed-builds.ts';
import type { NodeLayout } from './node-layout.ts';
import { CommandFailed, run } from './run-command.ts';

export interface NodeImage {
  name: string;
  /** Of its manifest or index. */
  digest: string;
}

/** The namespace in which CRI looks, and the one for what images are built with: no kubelet sees or removes it. */
export type ImageNamespace = 'k8s.io' | typeof BUILD_NAMESPACE;

export const containerdTool = (
  { containerdSocket }: Pick<NodeLayout, 'containerdSocket'>,
  namespace: ImageNamespace,
  ...args: string[]
): string[] => ['ctr', '--address', containerdSocket, '--namespace', namespace, ...args];

/** Named images only, in no promised order. */
export async function listImages(layout: NodeLayout): Promise<NodeImage[]> {
  const [, ...lines] = (await run(containerdTool(layout, 'k8s.io', 'images', 'list'))).split('\n');
  return lines.flatMap((line) => {
    const [name = '', , digest = ''] = line.split(/\s+/);
    return name && !name.startsWith('sha256:') && digest ? [{ name, digest }] : [];
  });
}

/** The archive goes through as it comes; memory use does not depend on its size. Throws CommandFailed. */
export async function importImage(
  layout: NodeLayout,
  archive: AsyncIterable<Uint8Array>,
  namespace: ImageNamespace = 'k8s.io',
): Promise<void> {
  const argv = containerdTool(layout, namespace, 'images', 'import', '--snapshotter', 'overlayfs', '-');
  const child = spawn(argv[0] ?? '', argv.slice(1), { stdio: ['pipe', 'ignore', 'pipe'] });
  const errors: Buffer[] = [];
  child.stderr.on('data', (chunk: Buffer) => errors.push(chunk));
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  const [fed, code] = await Promise.allSettled([pipeline(archive, child.stdin), ended]);
  const exitCode = code.status === 'fulfilled' ? code.value : null;
  if (exitCode !== 0) throw new CommandFailed(argv, exitCode, Buffer.concat(errors).toString('utf8'));
  if (fed.status === 'rejected') throw fed.reason;
}

/** What one node has, for another. Ends with an error when containerd cannot give it. */
export const exportImage = (
  layout: NodeLayout,
  name: string,
  namespace: ImageNamespace = 'k8s.io',
): AsyncGenerator<Uint8Array> => outputOf(containerdTool(layout, namespace, 'images', 'export', '-', name));

/** Streams what a program writes to its standard output. Ends with CommandFailed unless it ends with 0. */
export async function* outputOf(argv: readonly string[]): AsyncGenerator<Uint8Array> {
  const child = spawn(argv[0] ?? '', argv.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] });
  const errors: Buffer[] = [];
  child.stderr.on('data', (chunk: Buffer) => errors.push(chunk));
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  ended.catch(() => undefined); // awaited below; what is read may break first
  yield* child.stdout;
  const exitCode = await ended;
  if (exitCode !== 0) throw new CommandFailed(argv, exitCode, Buffer.concat(errors).toString('utf8'));
}
