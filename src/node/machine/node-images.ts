/** A node's images, through containerd's own tool (CRI cannot import). */
import { spawn } from 'node:child_process';
import { pipeline } from 'node:stream/promises';
import type { NodeLayout } from './node-layout.ts';
import { CommandFailed, run } from './run-command.ts';

export interface NodeImage {
  name: string;
  /** Of its manifest or index. */
  digest: string;
}

// The namespace in which CRI looks.
const ctr = ({ containerdSocket }: NodeLayout, ...args: string[]): string[] => [
  'ctr',
  '--address',
  containerdSocket,
  '--namespace',
  'k8s.io',
  'images',
  ...args,
];

/** Named images only, in no promised order. */
export async function listImages(layout: NodeLayout): Promise<NodeImage[]> {
  const [, ...lines] = (await run(ctr(layout, 'list'))).split('\n');
  return lines.flatMap((line) => {
    const [name = '', , digest = ''] = line.split(/\s+/);
    return name && !name.startsWith('sha256:') && digest ? [{ name, digest }] : [];
  });
}

/** The archive goes through as it comes; memory use does not depend on its size. Throws CommandFailed. */
export async function importImage(layout: NodeLayout, archive: AsyncIterable<Uint8Array>): Promise<void> {
  const argv = ctr(layout, 'import', '--snapshotter', 'overlayfs', '-');
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
export async function* exportImage(layout: NodeLayout, name: string): AsyncGenerator<Uint8Array> {
  const argv = ctr(layout, 'export', '-', name);
  const child = spawn(argv[0] ?? '', argv.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  yield* child.stdout;
  const exitCode = await ended;
  if (exitCode !== 0) throw new CommandFailed(argv, exitCode, '');
}
