/** Objects out of files, folders, URLs and standard input, as `-f` names them. Source: cli-runtime, resource builder. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { extname, join, resolve } from 'node:path';
import { parseYaml } from '#api/machinery/codec-yaml.ts';
import { isJsonObject } from '#api/machinery/json-value.ts';
import { refusedAt } from './cluster-api.ts';
import { messageOf } from './error-text.ts';
import type { FlagSpec, Flags } from './flags.ts';
import type { VerbIo } from './verb.ts';
import { throwIfAny, VerbError } from './verb-error.ts';

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

/** In the order in which they are written. Errors are per document, so that the others still come. */
export async function manifestsOf(flags: Flags, io: VerbIo): Promise<{ manifests: Manifest[]; errors: unknown[] }> {
  if (flags.has('kustomize'))
    throw new VerbError('--kustomize is not supported; pipe the output of `kubectl kustomize` into `-f -`');
  const manifests: Manifest[] = [];
  const errors: unknown[] = [];
  const names = flags.list('filename');
  refuseAbsent(names, io.folder);
  for (const name of names) {
    for await (const { text, source } of textsOf(name, flags.bool('recursive'), io)) {
      for (const document of documentsIn(text)) {
        try {
          manifests.push(...objectsIn(document, source).map((object) => ({ object, source })));
        } catch (error) {
          errors.push(error);
        }
      }
    }
  }
  return { manifests, errors };
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

/** The documents of a YAML stream that hold more than comments. */
export const documentsIn = (text: string): string[] =>
  text.split(/^---(?:[ \t].*)?\r?$/m).filter((part) => part.split('\n').some((line) => !/^\s*(#.*)?$/.test(line)));

function objectsIn(document: string, source: string): ManifestObject[] {
  const parsed = parseYaml(document, { isTrusted: true });
  if ('problem' in parsed) throw new VerbError(`error parsing ${source}: ${parsed.problem}`);
  if (parsed.value === null) return [];
  return flattened(parsed.value, source);
}

/** The object, or those of a list. Throws VerbError for what is none. */
export function flattened(value: unknown, source: string): ManifestObject[] {
  const text = () => JSON.stringify(value);
  if (!isJsonObject(value))
    throw new VerbError(
      `unable to decode ${JSON.stringify(source)}: json: cannot unmarshal ${typeof value} into Go value of type struct { Kind string }`,
    );
  if (!value['kind'])
    throw new VerbError(`unable to decode ${JSON.stringify(source)}: Object 'Kind' is missing in '${text()}'`);
  if (!value['apiVersion'])
    throw new VerbError(`unable to decode ${JSON.stringify(source)}: Object 'apiVersion' is missing in '${text()}'`);
  const { items } = value;
  if (String(value['kind']).endsWith('List') && Array.isArray(items))
    return items.flatMap((item) => flattened(item, source));
  const metadata: Record<string, unknown> = { ...(value['metadata'] as object) };
  refuseOtherThanText(metadata, source);
  return [{ ...value, metadata } as ManifestObject];
}

/** `name: 1` and, in YAML 1.1, `name: y` are no names. */
function refuseOtherThanText(metadata: Record<string, unknown>, source: string): void {
  for (const field of ['name', 'generateName', 'namespace']) {
    const value = metadata[field] ?? '';
    if (typeof value === 'string') continue;
    const type = typeof value === 'boolean' ? 'bool' : Array.isArray(value) ? 'array' : typeof value;
    throw new VerbError(
      `unable to decode ${JSON.stringify(source)}: json: cannot unmarshal ${type} into Go struct field ObjectMeta.metadata.${field} of type string`,
    );
  }
}
