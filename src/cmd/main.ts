/** `kedge`: one program for the person at the terminal and for every process of a cluster. Each loads only what it needs. */
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import type { CliContext } from '#cli/context.ts';
import { systemClock } from './system-clock.ts';
import { VERSION } from './version.ts';

/** Set when this is built. */
declare const KEDGE_VERSION: string;

const OLDEST_NODE = [20, 19] as const;

/** What is built has nothing of the first half. */
const PROGRAMS =
  typeof KEDGE_VERSION === 'undefined'
    ? {
        controlPlane: () => import('./control-plane/run-control-plane.ts'),
        kubelet: () => import('./kubelet.ts'),
        net: () => import('./net.ts'),
        supervisor: () => import('./supervisor/run-supervisor.ts'),
      }
    : {
        controlPlane: () => compiled<typeof import('./control-plane/run-control-plane.ts')>('control-plane.cjs'),
        kubelet: () => compiled<typeof import('./kubelet.ts')>('kubelet.cjs'),
        net: () => compiled<typeof import('./net.ts')>('net.cjs'),
        supervisor: () => compiled<typeof import('./supervisor/run-supervisor.ts')>('supervisor.cjs'),
      };

/** The supervisor and the processes that it starts; nobody types these. */
const PROCESSES: Record<string, (args: string[], program: readonly string[]) => Promise<void>> = {
  'control-plane': async (args) => (await PROGRAMS.controlPlane()).runControlPlane(args),
  kubelet: async (args) => (await PROGRAMS.kubelet()).runKubelet(args),
  net: async (args) => (await PROGRAMS.net()).runNet(args),
  'ingress-worker': async () => (await import('./ingress-worker.ts')).runIngressWorker(),
  supervisor: async (...given) => (await PROGRAMS.supervisor()).runSupervisor(...given),
};

/** Built, each is a file of its own with its compiled code: a cluster's start waits for all of them. */
async function compiled<T>(name: string): Promise<T> {
  const { loadCompiled } = await import('./compiled-program.ts');
  return loadCompiled<T>(join(dirname(fileURLToPath(import.meta.url)), name)).exports;
}

async function main(): Promise<void> {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1])) {
    throw new TooOldNode(`kedge needs Node.js ${OLDEST_NODE.join('.')} or newer; this is ${process.versions.node}.`);
  }
  const script = fileURLToPath(import.meta.url);
  const program = [process.execPath, ...process.execArgv, script];
  const [command = '', ...args] = process.argv.slice(2);
  const start = Object.hasOwn(PROCESSES, command) ? PROCESSES[command] : undefined;
  if (start) return start(args, program);
  await runCli(program);
}

async function runCli(program: readonly string[]): Promise<void> {
  const [{ Command }, { commands }, { withLeadingFlagsBehind }] = await Promise.all([
    import('commander'),
    import('#cli/commands.ts'),
    import('#cli/verbs/global-flags.ts'),
  ]);
  // Timers of the clock keep no process alive; a command lives until it has ended.
  const alive = setInterval(() => undefined, 2 ** 30);
  const context: CliContext = {
    clock: systemClock,
    env: process.env,
    version: VERSION,
    program,
    projectDir: resolve(dirname(fileURLToPath(import.meta.url)), '..'),
    runAgent: async (options) => (await import('./agent/run-agent.ts')).runAgent(options, program),
    out: (line) => void process.stdout.write(`${line}\n`),
    note: (line) => void process.stderr.write(`${line}\n`),
  };
  process.stdout.on('error', endIfUnread);
  const kedge = new Command('kedge')
    .description('Kubernetes in TypeScript: clusters on this machine.')
    .version(VERSION)
    .enablePositionalOptions();
  for (const make of commands) kedge.addCommand(make(context));
  pointToHelp(kedge);
  kedge.showHelpAfterError('(see kedge --help; what else kubectl can do is behind `kedge kubectl`)');
  try {
    await kedge.parseAsync(withLeadingFlagsBehind(process.argv.slice(2)), { from: 'user' });
  } finally {
    clearInterval(alive);
  }
}

/** `kedge get … | head`: who reads has seen enough, and that is no failure. Ends as a program does that SIGPIPE ends. */
function endIfUnread(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit(128 + 13);
  report(error);
}

/** Commands that were made elsewhere inherit nothing. */
function pointToHelp(command: Command): void {
  command.showHelpAfterError(`(see ${pathOf(command)} --help)`);
  for (const sub of command.commands) pointToHelp(sub);
}

const pathOf = (command: Command): string =>
  command.parent ? `${pathOf(command.parent)} ${command.name()}` : command.name();

class TooOldNode extends Error {
  readonly code = 'TooOldNode';
}

/** Errors with a code of ours are for people: no stack. Anything else is a bug, and says where. */
function report(error: unknown): void {
  const isExpected = error instanceof Error && typeof (error as { code?: unknown }).code === 'string';
  const text =
    isExpected && !process.env['KEDGE_DEBUG'] ? (error as Error).message : ((error as Error)?.stack ?? String(error));
  process.stderr.write(`kedge: ${text}\n`);
  process.exit(1);
}

main().catch(report);
