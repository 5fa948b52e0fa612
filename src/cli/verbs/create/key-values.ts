/** `--from-literal`, `--from-file` and `--from-env-file`: what a ConfigMap or a Secret holds. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { configMapKey } from '#api/machinery/names.ts';
import type { FlagSpec } from '../flags.ts';
import type { VerbCall } from '../verb.ts';
import { VerbError } from '../verb-error.ts';

export const KEY_VALUE_FLAGS: readonly FlagSpec[] = [
  { name: 'from-literal', type: 'repeated', summary: 'KEY=VALUE' },
  { name: 'from-file', type: 'repeated', summary: 'a file, a folder, or KEY=FILE' },
  { name: 'from-env-file', type: 'repeated', summary: 'a file with lines KEY=VALUE' },
];

/** Sorted by nothing: in the order given. Throws VerbError for bad keys and keys that come twice. */
export function keyValuesOf(call: VerbCall, what: string): Map<string, Buffer> {
  const { flags, io } = call;
  if (flags.has('from-env-file') && (flags.has('from-literal') || flags.has('from-file')))
    throw new VerbError('from-env-file cannot be combined with from-file or from-literal');
  const { all, add } = collector(call, what);
  for (const path of flags.list('from-env-file'))
    for (const [key, value] of environmentIn(readExisting(path, io.folder), io.env)) add(key, Buffer.from(value));
  for (const source of flags.list('from-literal')) {
    const equals = source.indexOf('=');
    if (equals < 1) throw new VerbError(`invalid literal source ${source}, expected key=value`);
    add(source.slice(0, equals), Buffer.from(source.slice(equals + 1).replace(/^(['"])(.*)\1$/s, '$2')));
  }
  addFiles(flags.list('from-file'), io.folder, add);
  return all;
}

/** What `sources`, written as for `--from-file`, hold. Throws VerbError likewise. */
export function filesIn(sources: readonly string[], call: VerbCall, what: string): Map<string, Buffer> {
  const { all, add } = collector(call, what);
  addFiles(sources, call.io.folder, add);
  return all;
}

type Add = (key: string, value: Buffer) => void;

function addFiles(sources: readonly string[], folder: string, add: Add): void {
  for (const source of sources) for (const [key, path] of filesOf(source, folder)) add(key, readFileSync(path));
}

function collector({ args }: VerbCall, what: string): { all: Map<string, Buffer>; add: Add } {
  const all = new Map<string, Buffer>();
  const add: Add = (key, value) => {
    const complaints = configMapKey(key);
    if (complaints.length > 0)
      throw new VerbError(`${JSON.stringify(key)} is not a valid key name for a ${what}: ${complaints.join(';')}`);
    if (all.has(key))
      throw new VerbError(
        `cannot add key ${JSON.stringify(key)}, another key by that name already exists in Data for ${what} ${JSON.stringify(args[0] ?? '')}`,
      );
    all.set(key, value);
  };
  return { all, add };
}

function filesOf(source: string, folder: string): [string, string][] {
  const equals = source.indexOf('=');
  if (equals !== source.lastIndexOf('=')) throw new VerbError("key names or file paths cannot contain '='");
  if (equals === 0) throw new VerbError(`key name for file path ${source.slice(1)} missing`);
  if (equals > 0 && equals === source.length - 1)
    throw new VerbError(`file path for key name ${source.slice(0, -1)} missing`);
  const path = resolve(folder, source.slice(equals + 1));
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found) throw notThere(source.slice(equals + 1));
  if (!found.isDirectory()) return [[equals > 0 ? source.slice(0, equals) : basename(path), path]];
  if (equals > 0) throw new VerbError('cannot give a key name for a directory path');
  const names = readdirSync(path, { withFileTypes: true }).filter((entry) => entry.isFile());
  return names.map(({ name }) => [name, join(path, name)]);
}

/** The names that variables had to have once; kubectl still asks for them. */
function refuseOddVariable(name: string): void {
  if (/^[-._a-zA-Z][-._a-zA-Z0-9]*$/.test(name)) return;
  throw new VerbError(
    `${JSON.stringify(name)} is not a valid key name: a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', and must not start with a digit (e.g. 'my.env-name',  or 'MY_ENV.NAME',  or 'MyEnvName1', regex used for validation is '[-._a-zA-Z][-._a-zA-Z0-9]*')`,
  );
}

const notThere = (path: string): VerbError => new VerbError(`error reading ${path}: no such file or directory`);

function readExisting(path: string, folder: string): string {
  const found = resolve(folder, path);
  if (!existsSync(found)) throw notThere(path);
  return readFileSync(found, 'utf8');
}

/** A line without `=` takes its value from the environment. */
function environmentIn(text: string, env: NodeJS.ProcessEnv): [string, string][] {
  return text.split('\n').flatMap((line): [string, string][] => {
    const trimmed = line.replace(/\r$/, '').trimStart();
    if (trimmed === '' || trimmed.startsWith('#')) return [];
    const equals = trimmed.indexOf('=');
    const key = equals < 0 ? trimmed : trimmed.slice(0, equals);
    refuseOddVariable(key);
    return [[key, equals < 0 ? (env[key] ?? '') : trimmed.slice(equals + 1)]];
  });
}
