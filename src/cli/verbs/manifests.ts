/** Objects out of files, folders, URLs and standard input, as `-f` names them. Source: cli-runtime, resource builder. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { extname, join, resolve } from 'node:path';
import { isJsonObject, type JsonObject } from '#api/machinery/json-value.ts';
import { refusedAt } from './cluster-api.ts';
import { valuesIn } from './documents.ts';
import { messageOf } from './error-text.ts';
import type { FlagSpec, Flags } from './flags.ts';
import { refuseInvalid, refuseUndecodable } from './manifest-checks.ts';
import type { VerbIo } from './verb.ts';
import { throwIfAny, VerbError } from './verb-error.ts';
import type { Validation } from './writing.ts';

export interface ManifestObject {
  apiVersion: string;
  kind: string;
  metadata: {
    name?: string;
    generateName?: string;
    namespace?: string;
    annotations?: Record<string, string>;
    [field: string]: unknown;
  };
  [field: string]: unknown;
}

/** Of which version an object was that somebody wrote down counts for nothing where it is created. */
export function unversioned(object: ManifestObject): ManifestObject {
  const { resourceVersion: _, ...metadata } = object.metadata;
  return { ...object, metadata };
}

export interface Manifest {
  object: ManifestObject;
  /** What messages call the place it came from: a path, a URL, `STDIN`. */
  source: string;
}

export const fileFlags = (what: string): readonly FlagSpec[] => [
  { name: 'filename', short: 'f', type: 'list', summary: `file, folder or URL with the objects ${what}` },
  { name: 'recursive', short: 'R', type: 'bool', summary: 'also what is in the folders of a folder' },
  { name: 'kustomize', short: 'k', type: 'string', summary: 'not served here: use kubectl kustomize' },
];

const EXTENSIONS = ['.json', '.yaml', '.yml'];
const MOST_BYTES = 64 * 1024 * 1024;

/**
 * In the order in which they are written. What is no object leaves the others as they are; what cannot be read, or is refused
 * by `validation`, ends its text, but not the other ones.
 */
export async function manifestsOf(
  flags: Flags,
  io: VerbIo,
  { validation = 'Ignore' }: { validation?: Validation } = {},
): Promise<{ manifests: Manifest[]; errors: unknown[] }> {
  if (flags.has('kustomize'))
    throw new VerbError('--kustomize is not supported; pipe the output of `kubectl kustomize` into `-f -`');
  const manifests: Manifest[] = [];
  const errors: unknown[] = [];
  const names = flags.list('filename');
  refuseAbsent(names, io.folder);
  for (const name of names) {
    for await (const { text, source } of textsOf(name, flags.bool('recursive'), io)) {
      try {
        for (const value of readValues(text, source)) {
          if (value === null) continue;
          refuseInvalid(value, source, validation);
          try {
            manifests.push(...flattened(value, source).map((object) => ({ object, source })));
          } catch (error) {
            errors.push(error);
          }
        }
      } catch (error) {
        errors.push(error);
      }
    }
  }
  return { manifests, errors };
}

function* readValues(text: string, source: string): Generator<unknown> {
  try {
    yield* valuesIn(text);
  } catch (error) {
    throw error instanceof VerbError ? new VerbError(`error parsing ${source}: ${error.message}`) : error;
  }
}

async function* textsOf(
  name: string,
  isRecursive: boolean,
  io: VerbIo,
): AsyncIterable<{ text: string; source: string }> {
  if (name === '-') yield { text: await io.readAll(), source: 'STDIN' };
  else if (isUrl(name)) yield { text: await fetched(name), source: name };
  else
    for (const path of pathsUnder(name, isRecursive, io.folder))
      yield { text: readFileSync(resolve(io.folder, path), 'utf8'), source: path };
}

/** All that are not there are named. */
function refuseAbsent(names: readonly string[], folder: string): void {
  const absent = names.filter((name) => name !== '-' && !isUrl(name) && !existsSync(resolve(folder, name)));
  throwIfAny(absent.map((path) => new VerbError(`the path ${JSON.stringify(path)} does not exist`)));
}

const isUrl = (name: string): boolean => /^https?:\/\//.test(name);

function pathsUnder(path: string, isRecursive: boolean, folder: string): string[] {
  if (!statSync(resolve(folder, path)).isDirectory()) return [path];
  const files = readdirSync(resolve(folder, path), { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      if (entry.isDirectory()) return isRecursive ? pathsUnder(join(path, entry.name), true, folder) : [];
      return EXTENSIONS.includes(extname(entry.name)) ? [join(path, entry.name)] : [];
    });
  if (files.length > 0) return files;
  throw new VerbError(`error reading [${path}]: recognized file extensions are [${EXTENSIONS.join(' ')}]`);
}

/** Not followed elsewhere: who named the address trusts that server, and no other. */
async function fetched(url: string): Promise<string> {
  let answer: Response;
  try {
    answer = await fetch(url, { redirect: 'error' });
  } catch (error) {
    const { cause } = error as Error; // the message is `fetch failed`, whatever it was
    const why = cause instanceof Error && cause.message ? cause.message : messageOf(error);
    if (why.includes('ECONNREFUSED')) throw refusedAt(new URL(url).host);
    throw new VerbError(`unable to read URL ${JSON.stringify(url)}: ${why}`);
  }
  if (!answer.ok)
    throw new VerbError(
      `unable to read URL ${JSON.stringify(url)}, server reported ${answer.status} ${answer.statusText}, status code=${answer.status}`,
    );
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of answer.body ?? []) {
    size += part.byteLength;
    if (size > MOST_BYTES) throw new VerbError(`unable to read URL ${JSON.stringify(url)}: too large`);
    parts.push(part);
  }
  return new TextDecoder().decode(Buffer.concat(parts));
}

/** The object, or those of a list, whose kind may say theirs. Throws VerbError for what is none. */
export function flattened(value: unknown, source: string): ManifestObject[] {
  refuseUndecodable(value, source);
  const { apiVersion, kind, items, metadata } = value as typeof value & { items?: unknown[] | null; metadata?: object };
  if (items === undefined) return [{ ...value, metadata: { ...metadata } }];
  const ofItems = kind === 'List' ? {} : { apiVersion, kind: kind.replace(/List$/, '') };
  return (items ?? []).flatMap((item) => flattened(isUntyped(item) ? { ...item, ...ofItems } : item, source));
}

/** As the API's own lists hold them. */
const isUntyped = (item: unknown): item is JsonObject => isJsonObject(item) && !item['apiVersion'] && !item['kind'];
