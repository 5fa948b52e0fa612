/** `--raw`: a path of the server, asked for, sent to or deleted as it is. Source: kubectl, rawhttp. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Flags } from './flags.ts';
import type { VerbCall, VerbIo } from './verb.ts';
import { VerbError, whyNotRead } from './verb-error.ts';

/** The answer goes out as it comes. What is sent is the file of `-f`, where there is one. */
export async function askRaw(
  { flags, io, cluster }: VerbCall,
  method: 'GET' | 'POST' | 'PUT' | 'DELETE',
): Promise<void> {
  const path = pathIn(flags);
  const [name] = method === 'GET' ? [] : flags.list('filename');
  const body = name === undefined ? undefined : await contentOf(name, io);
  const reply = await cluster.open({ method, path, ...(body && { body }) });
  for await (const chunk of reply.body) io.out(chunk);
}

async function contentOf(name: string, io: VerbIo): Promise<Uint8Array> {
  if (name === '-') return Buffer.from(await io.readAll());
  try {
    return readFileSync(resolve(io.folder, name));
  } catch (error) {
    throw new VerbError(whyNotRead(name, error));
  }
}

/** Throws VerbError for what is no path. */
function pathIn(flags: Flags): string {
  const path = flags.string('raw');
  if (path.startsWith('/')) return path;
  throw new VerbError(`--raw must be a valid URL path: parse ${JSON.stringify(path)}: invalid URI for request`);
}

/** What says more than a path and one file's content cannot stand beside `--raw`. Throws VerbError. */
export function refuseBesideRaw({ flags }: VerbCall, { needsFile }: { needsFile: boolean }): void {
  const names = flags.list('filename');
  if (names.length > 1 || (needsFile && names.length === 0))
    throw new VerbError('--raw can only use a single local file or stdin');
  if (/^https?:\/\//.test(names[0] ?? '')) throw new VerbError('--raw cannot read from a url');
  if (flags.bool('recursive')) throw new VerbError('--raw and --recursive are mutually exclusive');
  if (flags.string('output')) throw new VerbError('--raw and --output are mutually exclusive');
  pathIn(flags);
}
