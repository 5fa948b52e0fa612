/**
 * The prose of `kubectl explain`. It is taken from a published package when Kedge is built and is no part of the sources;
 * without it everything works, and descriptions are missing.
 */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

/** By type (`core.v1.Pod`): its own description, and those of its fields by JSON name. */
export type Descriptions = Readonly<Record<string, readonly [string, Readonly<Record<string, string>>]>>;

const MAX_BYTES = 32 * 1024 * 1024;

/** undefined when there is no such file. */
export function readDescriptions(path: string | URL): Descriptions | undefined {
  try {
    return JSON.parse(gunzipSync(readFileSync(path), { maxOutputLength: MAX_BYTES }).toString('utf8')) as Descriptions;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Reads the file when it is first asked for, and keeps what it found. */
export function lazyDescriptions(path: string | URL): () => Descriptions | undefined {
  let read: { descriptions: Descriptions | undefined } | undefined;
  return () => {
    read ??= { descriptions: readDescriptions(path) };
    return read.descriptions;
  };
}
