/** A script of a test in one file, and what it says as a process of its own. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { networkLab } from './network-lab.ts';

const ROOT = join(import.meta.dirname, '../..');
const NEEDS =
  "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);";

/** @returns `file`. */
export async function bundleOf(file: string, contents: string): Promise<string> {
  await build({
    absWorkingDir: ROOT,
    stdin: { contents, resolveDir: ROOT, loader: 'ts' },
    outfile: file,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    banner: { js: NEEDS },
    logLevel: 'error',
  });
  return file;
}

/** What a program says, as JSON, that runs in the network of a node that nobody else has. */
export async function saidInLab(line: readonly string[]): Promise<unknown> {
  const lab = networkLab({ hosts: {}, gateway: '10.244.1.1' });
  try {
    const [command = '', ...args] = lab.commandIn('node', ...line);
    const { stdout } = await promisify(execFile)(command, args, { timeout: 150_000, killSignal: 'SIGKILL' });
    return JSON.parse(stdout);
  } finally {
    lab.close();
  }
}
