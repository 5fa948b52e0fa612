/** `kedge exec` and `kedge attach`: into a container that runs. */
import type { Pod } from '#api/generated/schema.ts';
import type { Status } from '#api/machinery/status.ts';
import { runRemoteCommand } from '#client/transport/remote-command.ts';
import { fileFlags } from './manifests.ts';
import { containerOf, podOf } from './pods.ts';
import { pathOf } from './served-resources.ts';
import { targetsOf } from './targets.ts';
import type { Verb, VerbCall, VerbIo } from './verb.ts';
import { throwIfAny, VerbError } from './verb-error.ts';

const FLAGS = [
  { name: 'container', short: 'c', type: 'string', summary: 'in this container' },
  { name: 'stdin', short: 'i', type: 'bool', summary: 'pass standard input on' },
  { name: 'tty', short: 't', type: 'bool', summary: 'standard input is a terminal' },
  { name: 'quiet', short: 'q', type: 'bool', summary: 'only what the command writes' },
  { name: 'pod-running-timeout', type: 'duration', default: '1m', summary: 'how long to wait for a pod' },
] as const;

export const execVerb: Verb = {
  name: 'exec',
  summary: 'run a command in a container',
  usage: '(POD | TYPE/NAME) [-c CONTAINER] [flags] -- COMMAND [args...]',
  flags: [...fileFlags('whose pod is meant'), ...FLAGS],
  async run(call) {
    const { args, argsBeforeDash, path, flags } = call;
    const before = argsBeforeDash ?? args.length;
    const usage = (text: string) => new VerbError(`${text}\nSee '${path} -h' for help and examples`);
    if (argsBeforeDash === undefined && args.length > 1)
      throw usage('exec [POD] [COMMAND] is not supported anymore. Use exec [POD] -- [COMMAND] instead');
    if (before === 0 && flags.list('filename').length === 0)
      throw new VerbError('pod, type/name or --filename must be specified');
    const command = args.slice(before);
    if (command.length === 0) throw new VerbError('you must specify at least one command for the container');
    const pod = await meantPod({ ...call, args: args.slice(0, before) });
    refuseIfOver(pod);
    return joinContainer(call, { pod, container: meantContainer(call, pod), subresource: 'exec', command });
  },
};

/** What who attaches is told first. */
export const ATTACHED = `All commands and output from this session will be recorded in container logs, including credentials and sensitive information passed through the command prompt.
If you don't see a command prompt, try pressing enter.
`;

export const attachVerb: Verb = {
  name: 'attach',
  summary: 'join the process of a container that runs',
  usage: '(POD | TYPE/NAME) -c CONTAINER',
  flags: [...fileFlags('whose pod is meant'), ...FLAGS],
  async run(call) {
    const usage = (text: string) => new VerbError(`${text}\nSee '${call.path} -h' for help and examples`);
    if (call.args.length === 0) throw new VerbError('at least 1 argument is required for attach');
    if (call.args.length > 2)
      throw usage(
        `expected POD, TYPE/NAME, or TYPE NAME, (at most 2 arguments) saw ${call.args.length}: [${call.args.join(' ')}]`,
      );
    const pod = await meantPod(call);
    const { phase } = pod.status ?? {};
    if (phase === 'Succeeded' || phase === 'Failed')
      throw new VerbError(`cannot attach a container in a completed pod; current phase is ${phase}`);
    refuseUnknownContainer(call, pod);
    if (!call.flags.bool('quiet')) call.io.err(ATTACHED);
    return joinContainer(call, { pod, container: meantContainer(call, pod), subresource: 'attach', command: [] });
  },
};

function refuseUnknownContainer({ flags, io }: VerbCall, pod: Pod): void {
  try {
    containerOf(pod, flags.string('container'), { io, isQuiet: true });
  } catch (error) {
    throw error instanceof VerbError ? new VerbError(`cannot attach to the container: ${error.message}`) : error;
  }
}

async function meantPod(call: VerbCall): Promise<Pod> {
  const [named = ''] = call.args;
  const isFile = call.flags.list('filename').length > 0;
  const args = isFile ? [] : named.includes('/') || call.args.length > 1 ? call.args : ['pods', named];
  const { targets, errors } = await targetsOf({ ...call, args }, { latest: true });
  throwIfAny(errors);
  const { pod } = await podOf(call, targets[0]!, { timeoutMs: call.flags.milliseconds('pod-running-timeout') });
  return pod;
}

export function refuseIfOver({ status }: Pod): void {
  const { phase } = status ?? {};
  if (phase === 'Succeeded' || phase === 'Failed')
    throw new VerbError(`cannot exec into a container in a completed pod; current phase is ${phase}`);
}

const meantContainer = ({ flags, io }: VerbCall, pod: Pod): string =>
  containerOf(pod, flags.string('container'), { io, isQuiet: flags.bool('quiet') });

interface Session {
  pod: Pod;
  container: string;
  subresource: 'exec' | 'attach';
  command: readonly string[];
}

/** Of a command with the flags `stdin`, `tty` and `quiet`. @returns the exit code. Throws VerbError when it is none. */
export async function joinContainer(
  call: VerbCall,
  { pod, container, subresource, command }: Session,
): Promise<number> {
  const { flags, io, cluster } = call;
  const hasInput = flags.bool('stdin');
  const isTerminal = isTerminalOf(call);
  const pods = (await cluster.resources()).named('pods');
  const query = new URLSearchParams(command.map((word): [string, string] => ['command', word]));
  query.set('container', container);
  if (hasInput) query.set('stdin', 'true');
  query.set('stdout', 'true');
  if (isTerminal) query.set('tty', 'true');
  else query.set('stderr', 'true');
  const { namespace, name } = pod.metadata;
  const terminal = isTerminal ? io.terminal : undefined;
  terminal?.setRaw(true);
  try {
    const status = await runRemoteCommand({
      endpoint: cluster.endpoint,
      headers: cluster.headers,
      path: `${pathOf(pods, { namespace, name, subresource })}?${query}`,
      ...(hasInput && { stdin: io.stdin }),
      stdout: (chunk) => io.out(chunk),
      stderr: (chunk) => io.err(chunk),
      ...(terminal && { sizes: terminal.sizes }),
      signal: io.signal,
    });
    return exitCodeOf(status);
  } finally {
    terminal?.setRaw(false);
  }
}

function isTerminalOf({ flags, io }: { flags: VerbCall['flags']; io: VerbIo }): boolean {
  if (!flags.bool('tty')) return false;
  if (flags.bool('stdin') && io.terminal) return true;
  if (flags.bool('stdin') && !flags.bool('quiet'))
    io.err('Unable to use a TTY - input is not a terminal or the right kind of file\n');
  return false;
}

/** Of the command; throws what else went wrong. */
export function exitCodeOf(status: Status): number {
  if (status.status === 'Success') return 0;
  const cause = status.details?.causes?.find(({ reason }) => reason === 'ExitCode');
  if ((status.reason as string) === 'NonZeroExitCode' && cause) {
    const code = Number(cause.message);
    throw new VerbError(`command terminated with exit code ${code}`, { exitCode: code, isBare: true });
  }
  throw new VerbError(status.message ?? 'the command failed');
}
