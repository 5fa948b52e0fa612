/** `--raw`: a path of the server, sent as it is. */
import type { Flags } from './flags.ts';
import { VerbError } from './verb-error.ts';

/** Throws VerbError for what is no path. */
export function rawPathOf(flags: Flags): string {
  const path = flags.string('raw');
  if (path.startsWith('/')) return path;
  throw new VerbError(`--raw must be a valid URL path: parse ${JSON.stringify(path)}: invalid URI for request`);
}
