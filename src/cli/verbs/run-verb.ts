/** Runs a command of the API's client: flags, help, errors and exit codes as kubectl has them. */
import { ClusterApi } from './cluster-api.ts';
import { exitCodeOf, textOf } from './error-text.ts';
import { type FlagSpec, parseArguments } from './flags.ts';
import { GLOBAL_FLAGS } from './global-flags.ts';
import type { Verb, VerbIo } from './verb.ts';
import { unexpected, VerbError } from './verb-error.ts';

/** @returns the exit code. What went wrong is told on standard error. */
export async function runVerb(verb: Verb, argv: readonly string[], io: VerbIo, parent = 'kedge'): Promise<number> {
  const path = `${parent} ${verb.name}`;
  const sub = verb.verbs?.find(({ name, aliases = [] }) => name === argv[0] || aliases.includes(argv[0] ?? ''));
  if (sub) return runVerb(sub, argv.slice(1), io, path);
  if (
    argv.some((word) => word === '--help' || word === '-h') &&
    !argv.slice(0, argv.indexOf('--help')).includes('--')
  ) {
    io.out(helpOf(verb, path));
    return 0;
  }
  let cluster: ClusterApi | undefined;
  try {
    const { flags, args, argsBeforeDash } = parseArguments(flagsOf(verb), argv);
    if (!verb.run) {
      if (args.length > 0) throw unexpected(`unknown command ${JSON.stringify(args.join(' '))}`, path);
      io.out(helpOf(verb, path));
      return 1;
    }
    const warn = (text: string) => io.err(`Warning: ${text}\n`);
    cluster = new ClusterApi({
      flags: flags.withoutShadowing(GLOBAL_FLAGS),
      env: io.env,
      clock: io.clock,
      userAgent: 'kedge',
      warn,
      hasTerminal: io.terminal !== undefined,
    });
    const code = await verb.run({ args, flags, argsBeforeDash, io, cluster, path });
    if (flags.bool('warnings-as-errors') && cluster.hasWarned) throw new VerbError('1 warning received');
    return code ?? 0;
  } catch (error) {
    if (io.signal.aborted) return 130;
    tell(error, { io, path, server: serverOf(cluster) });
    return exitCodeOf(error);
  } finally {
    cluster?.close();
  }
}

/** A command's own `--user` stands before the one of every command. */
function flagsOf({ flags: own = [] }: Verb): FlagSpec[] {
  return [...own, ...GLOBAL_FLAGS.filter(({ name }) => !own.some((flag) => flag.name === name))];
}

/** Only an error of the connection names it. */
function serverOf(cluster: ClusterApi | undefined): string {
  try {
    return cluster?.server ?? '';
  } catch (error) {
    if (error instanceof VerbError) return '';
    throw error;
  }
}

function tell(error: unknown, { io, path, server }: { io: VerbIo; path: string; server: string }): void {
  // A bug is no message: where it happened counts.
  if (error instanceof TypeError || error instanceof RangeError) throw error;
  const text = textOf(error, server).replace(/\n$/, '');
  if (error instanceof VerbError && error.message === '') return;
  io.err(`${text}\n${error instanceof VerbError && error.isUsage ? `See '${path} --help' for usage.\n` : ''}`);
}

function helpOf(verb: Verb, path: string): string {
  const { verbs = [] } = verb;
  const width = Math.max(14, ...verbs.map(({ name }) => name.length));
  const subverbs = verbs.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`);
  const usage = verb.verbs && !verb.run ? `${path} SUBCOMMAND` : [path, verb.usage].filter(Boolean).join(' ');
  const sections = [
    `${verb.summary[0]?.toUpperCase()}${verb.summary.slice(1)}.`,
    `Usage:\n  ${usage} [options]`,
    ...(subverbs.length > 0 ? [`Commands:\n${subverbs.join('\n')}`] : []),
    ...(verb.flags?.length ? [`Options:\n${flagLines(verb.flags)}`] : []),
    `Options of every command of the API's client:\n${flagLines(flagsOf(verb).slice(verb.flags?.length ?? 0))}`,
  ];
  return `${sections.join('\n\n')}\n`;
}

const flagLines = (flags: readonly FlagSpec[]): string =>
  flags
    .map(({ name, short, type, default: otherwise, summary }) => {
      const flag = `${short ? `-${short}, ` : '    '}--${name}${type === 'bool' ? '' : '=…'}`;
      return `  ${flag.padEnd(36)} ${summary}${otherwise && type !== 'bool' ? ` (${otherwise})` : ''}`;
    })
    .join('\n');
