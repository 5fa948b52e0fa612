/** Finds a kubectl that is new enough, and becomes it as far as a child process can. */
import { spawn } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { cacheFolder } from '#node/machine/cluster-dir.ts';
import { onPath } from '#node/machine/detect.ts';
import { readJsonFile, writeJsonFile } from '#node/machine/json-file.ts';
import { CommandFailed, run } from '#node/machine/run-command.ts';
import { findCluster, type Selection } from './cluster-selection.ts';
import { type CliContext, UserError } from './context.ts';

/** kubectl supports servers up to one minor version away in each direction, and older ones work for most; 1.33 is tested. */
const OLDEST_MINOR = 33;

/** @returns kubectl's exit code. */
export async function runKubectl(context: CliContext, args: readonly string[], selection: Selection): Promise<number> {
  const { paths } = await findCluster(context, selection);
  const program = (await newEnoughOnPath(context)) ?? (await packaged(context));
  if (!program) {
    throw new UserError(
      `There is no kubectl 1.${OLDEST_MINOR} or newer on PATH. Install one, or run this inside a clone after \`npm ci\` (Linux x64).`,
    );
  }
  const child = spawn(program, args, { stdio: 'inherit', env: { ...context.env, KUBECONFIG: paths.kubeconfig } });
  // kubectl gets Ctrl-C from the terminal as well; how to answer it is its own affair.
  for (const signal of ['SIGINT', 'SIGQUIT'] as const) process.on(signal, () => undefined);
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(code ?? (signal ? 128 : 1)));
  });
}

async function newEnoughOnPath(context: CliContext): Promise<string | undefined> {
  const path = await onPath('kubectl');
  if (!path) return undefined;
  const minor = await minorVersionOf(path, join(cacheFolder(context.env), 'kubectl-version.json'));
  return minor >= OLDEST_MINOR ? path : undefined;
}

/** Asking takes a tenth of a second: the answer is kept for as long as the file is the same. */
async function minorVersionOf(path: string, cache: string): Promise<number> {
  const { size, mtimeMs } = statSync(path);
  const key = `${path} ${size} ${mtimeMs}`;
  const known = (await readJsonFile(cache).catch(() => undefined)) as { key: string; minor: number } | undefined;
  if (known?.key === key) return known.minor;
  const minor = await askMinorVersion(path);
  await writeJsonFile(cache, { key, minor });
  return minor;
}

async function askMinorVersion(path: string): Promise<number> {
  try {
    const { clientVersion } = JSON.parse(await run([path, 'version', '--client', '--output=json']));
    return Number.parseInt(clientVersion?.minor ?? '0', 10);
  } catch (error) {
    if (error instanceof CommandFailed || error instanceof SyntaxError) return 0; // something else by that name
    throw error;
  }
}

async function packaged({ projectDir }: CliContext): Promise<string | undefined> {
  const tool = join(projectDir, 'tools', 'kubectl-path.mjs');
  if (!existsSync(tool)) return undefined;
  const { packagedKubectl } = (await import(pathToFileURL(tool).href)) as { packagedKubectl(): string | undefined };
  return packagedKubectl();
}
