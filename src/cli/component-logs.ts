/** `kedge component-logs COMPONENT`: what a process of the cluster wrote. */
import { Command } from 'commander';
import { withSelection } from './cluster-selection.ts';
import { type CliContext, UserError } from './context.ts';
import { lineCount } from './option-values.ts';

export const componentLogsCommand = (context: CliContext): Command =>
  withSelection(new Command('component-logs'))
    .summary('print the log of a component')
    .description(
      'Prints what a component wrote: supervisor, control-plane, or NODE/kubelet, NODE/net, NODE/containerd.',
    )
    .argument('[component]', 'without it the components are listed')
    .option('-n, --tail <lines>', 'only the last lines', lineCount)
    .option('-f, --follow', 'go on as it grows')
    .action(async (component: string | undefined, options: LogsOptions) => {
      const { findCluster } = await import('./cluster-selection.ts');
      const { paths } = await findCluster(context, options);
      if (component) return printLog(context, await logFileOf(paths.logs, component), options);
      for (const name of await componentsIn(paths.logs)) context.out(name);
    });

interface LogsOptions {
  name: string;
  dataDir?: string;
  tail?: number;
  follow?: boolean;
}

const LOOK_EVERY_MS = 250;

async function componentsIn(folder: string): Promise<string[]> {
  const { readdir } = await import('node:fs/promises');
  const files = await readdir(folder, { recursive: true });
  return files.flatMap((file) => (file.endsWith('.log') ? file.slice(0, -'.log'.length) : [])).sort();
}

/** Only names that are listed: a component's name is no path. */
async function logFileOf(folder: string, component: string): Promise<string> {
  const { join } = await import('node:path');
  const known = await componentsIn(folder);
  if (known.includes(component)) return join(folder, `${component}.log`);
  throw new UserError(`There is no component "${component}". There are: ${known.join(', ')}.`);
}

/** What is older stands beside it, where the log was too long once. */
async function printLog({ clock }: CliContext, path: string, { tail, follow }: LogsOptions): Promise<void> {
  const { open, readFile } = await import('node:fs/promises');
  const { sleep } = await import('#base/clock.ts');
  const { olderLog } = await import('#node/machine/short-logs.ts');
  const older = await readFile(olderLog(path), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    return '';
  });
  await using file = await open(path);
  const current = await file.readFile();
  const text = older + current.toString('utf8');
  const lines = text.split('\n');
  process.stdout.write(tail === undefined ? text : lines.slice(-tail - 1).join('\n'));
  const chunk = Buffer.alloc(64 << 10);
  let at = current.length;
  while (follow) {
    if ((await file.stat()).size < at) at = 0; // it has begun again
    const { bytesRead } = await file.read(chunk, 0, chunk.length, at);
    at += bytesRead;
    if (bytesRead > 0) process.stdout.write(chunk.subarray(0, bytesRead));
    else await sleep(clock, LOOK_EVERY_MS);
  }
}
