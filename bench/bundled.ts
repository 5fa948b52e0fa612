/**
 * A measure that runs inside the process it measures is bundled first, as what is shipped is: run from source by tsx, every
 * closure would be given its name when it is made, which costs more than most of them do.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';
import type { Bench } from './bench.ts';
import type { Row } from './row.ts';

const ROOT = join(import.meta.dirname, '..');

/**
 * @param entry a file beside this one that writes what it has measured to stdout as JSON, and what it says to stderr.
 * @param network the network namespace to run it in; undefined: this process's.
 */
export async function runBundled<T = Row[]>(
  bench: Bench,
  entry: string,
  args: readonly string[],
  network?: string,
): Promise<T> {
  const outfile = join(ROOT, '.cache/bench', `${entry}-${process.pid}.mjs`); // beside node_modules
  bench.atEnd(() => rm(outfile, { force: true }));
  await bundle(entry, outfile);
  const inNetwork = network === undefined ? [] : ['ip', 'netns', 'exec', network];
  const [program = '', ...words] = [...inNetwork, bench.node, outfile, ...args];
  const child = spawn(program, words, { stdio: ['ignore', 'pipe', 'inherit'] });
  bench.atEnd(() => child.kill('SIGKILL'));
  let written = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    written += text;
  });
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${entry} ended with ${code}`);
  return JSON.parse(written) as T;
}

export async function bundle(entry: string, outfile: string): Promise<void> {
  await build({
    absWorkingDir: ROOT,
    entryPoints: [join(import.meta.dirname, `${entry}.ts`)],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    external: ['lmdb'],
    keepNames: false,
    loader: { '.proto': 'text' },
    define: { KEDGE_VERSION: '"bench"' },
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
    },
    logLevel: 'warning',
  });
}
