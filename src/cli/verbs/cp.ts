/** `kedge cp`: files into a container and out of it, by the container's own `tar`. Texts are kubectl's. */
import { lstatSync } from 'node:fs';
import { posix, resolve } from 'node:path';
import { PassThrough } from 'node:stream';
import type { Pod } from '#api/generated/schema.ts';
import { runRemoteCommand } from '#client/transport/remote-command.ts';
import { packed, unpack } from './copied-files.ts';
import { exitCodeOf, refuseIfOver } from './exec.ts';
import { containerOf } from './pods.ts';
import { pathOf } from './served-resources.ts';
import type { Verb, VerbCall } from './verb.ts';
import { VerbError } from './verb-error.ts';

export const cpVerb: Verb = {
  name: 'cp',
  summary: 'copy files into containers and out of them',
  usage: '<file-spec-src> <file-spec-dest>',
  flags: [
    { name: 'container', short: 'c', type: 'string', summary: 'in this container' },
    { name: 'no-preserve', type: 'bool', summary: 'let owners and permissions be those of the container' },
    { name: 'retries', type: 'int', default: '0', summary: 'how often a copy out of a container is tried again' },
  ],
  async run(call) {
    const [from, to] = call.args.map(fileSpecOf);
    if (call.args.length !== 2 || !from || !to) throw new VerbError('source and destination are required');
    if (from.pod && to.pod) throw new VerbError('one of src or dest must be a local file specification');
    if (!from.file || !to.file) throw new VerbError('filepath can not be empty');
    if (from.pod) return copyOut(call, from, to.file);
    if (to.pod) return copyIn(call, from.file, to);
    throw new VerbError('one of src or dest must be a remote file specification');
  },
};

interface FileSpec {
  namespace?: string;
  /** '' for this machine. */
  pod: string;
  file: string;
}

/** `[[namespace/]pod:]file/path` */
function fileSpecOf(text: string): FileSpec {
  const colon = text.indexOf(':');
  const pieces = text.slice(0, Math.max(0, colon)).split('/');
  if (colon === 0 || pieces.length > 2)
    throw new VerbError('filespec must match the canonical format: [[namespace/]pod:]file/path');
  const file = text.slice(colon + 1);
  if (colon < 0) return { pod: '', file };
  return pieces.length === 2 ? { namespace: pieces[0]!, pod: pieces[1]!, file } : { pod: pieces[0]!, file };
}

async function copyIn(call: VerbCall, from: string, to: FileSpec): Promise<void> {
  const source = resolve(call.io.folder, from);
  if (!lstatSync(source, { throwIfNoEntry: false })) throw new VerbError(`${from} doesn't exist in local filesystem`);
  const isFolder = (await runIn(call, to, { command: ['test', '-d', to.file], isQuiet: true })) === 0;
  const target = isFolder ? posix.join(to.file, posix.basename(source)) : to.file;
  const folder = posix.dirname(posix.normalize(target));
  const flags = call.flags.bool('no-preserve') ? ['--no-same-permissions', '--no-same-owner'] : [];
  const command = ['tar', ...flags, '-xmf', '-', '-C', folder];
  const stdin = packed(source, posix.basename(posix.normalize(target)));
  const code = await runIn(call, to, { command, stdin });
  if (code !== 0) throw new VerbError(`command terminated with exit code ${code}`, { exitCode: code, isBare: true });
}

async function copyOut(call: VerbCall, from: FileSpec, to: string): Promise<void> {
  const archive = new PassThrough();
  // What is in front of the name in the archive: nothing that leads out of it.
  const prefix = posix.normalize(`/${from.file.replace(/^\/+|\/+$/g, '')}`).slice(1);
  const unpacking = unpack(archive, { prefix, into: resolve(call.io.folder, to), shown: to, warn: call.io.err });
  const running = archiveFrom(call, from, archive).finally(() => archive.end());
  const [code] = await Promise.all([running, unpacking]);
  if (code !== 0) throw new VerbError(`command terminated with exit code ${code}`, { exitCode: code, isBare: true });
}

/** What an archive ends with. */
const END = Buffer.alloc(1024);

/**
 * Gives the exit code of what packs. With `--retries` an archive that broke off is asked for from there on: below 0 as often
 * as it takes.
 */
async function archiveFrom(call: VerbCall, { file, ...pod }: FileSpec, archive: PassThrough): Promise<number> {
  const retries = call.flags.int('retries');
  let seen = 0;
  let tried = 0;
  let end = Buffer.alloc(0);
  const stdout = (chunk: Buffer) => {
    seen += chunk.length;
    end = Buffer.concat([end, chunk]).subarray(-END.length);
    archive.write(chunk);
  };
  for (;;) {
    const command =
      retries === 0
        ? ['tar', 'cf', '-', file]
        : ['sh', '-c', 'tar cf - "$1" | tail -c+"$2"', 'sh', file, String(tried === 0 ? 0 : seen + 1)];
    const mayTry = !call.io.signal.aborted && (retries < 0 || tried < retries);
    const ended = await runIn(call, { file, ...pod }, { command, stdout }).catch((error: unknown) => {
      if (!mayTry || error instanceof VerbError) throw error;
      return undefined;
    });
    if (ended !== undefined && (retries === 0 || ended !== 0 || end.equals(END))) return ended;
    if (!mayTry) {
      call.io.out(`Dropping out copy after ${tried} retries\n`);
      throw new VerbError('unexpected EOF');
    }
    tried++;
    call.io.out(`Resuming copy at ${seen} bytes, retry ${tried}/${retries}\n`);
  }
}

interface Command {
  command: readonly string[];
  stdin?: NodeJS.ReadableStream;
  stdout?: (chunk: Buffer) => void;
  /** Nothing of it is shown. */
  isQuiet?: boolean;
}

/** The exit code of a command in the pod. */
async function runIn(call: VerbCall, spec: FileSpec, { command, stdin, stdout, isQuiet }: Command): Promise<number> {
  const { cluster, flags, io } = call;
  const pods = (await cluster.resources()).named('pods');
  const at = { namespace: spec.namespace ?? cluster.namespace, name: spec.pod };
  const pod = await cluster.get<Pod>(pathOf(pods, at));
  refuseIfOver(pod);
  const query = new URLSearchParams(command.map((word): [string, string] => ['command', word]));
  query.set('container', containerOf(pod, flags.string('container'), { io, isQuiet: isQuiet ?? false }));
  if (stdin) query.set('stdin', 'true');
  query.set('stdout', 'true');
  query.set('stderr', 'true');
  const nothing = () => undefined;
  const status = await runRemoteCommand({
    endpoint: cluster.endpoint,
    headers: cluster.headers,
    path: `${pathOf(pods, { ...at, subresource: 'exec' })}?${query}`,
    ...(stdin && { stdin }),
    stdout: stdout ?? (isQuiet ? nothing : io.out),
    stderr: isQuiet ? nothing : io.err,
    signal: io.signal,
  });
  try {
    return exitCodeOf(status);
  } catch (error) {
    if (error instanceof VerbError && error.isBare) return error.exitCode;
    throw error;
  }
}
