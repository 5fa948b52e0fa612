/** COPY and ADD: from the build's folder, from an earlier stage, from another image. */
import { createReadStream } from 'node:fs';
import { posix } from 'node:path';
import { type ImageFiles, readTar } from '../image-files.ts';
import type { TarEntry } from '../tar-entry.ts';
import type { Step } from './instructions.ts';
import type { Instruction } from './parse.ts';
import { hasWildcard, patternExpression } from './patterns.ts';
import { DockerfileProblem } from './problem.ts';
import { addFiles, byOf, filesOf, variablesOf } from './stage-state.ts';
import { placed } from './stages.ts';
import type { HereDocument } from './here-documents.ts';
import { replaced } from './variables.ts';
import { expanded, wordsOf } from './words.ts';

interface Copy extends Step {
  instruction: Instruction;
  /** Where it goes, links of the image followed. */
  target: string;
  /** It is a folder that things are put into. */
  isFolder: boolean;
}

export async function copyFiles(instruction: Instruction, step: Step): Promise<void> {
  const { state, build, stage } = step;
  const { escapeSign } = instruction;
  const words =
    instruction.list ?? placed(instruction, () => wordsOf(instruction.text, variablesOf(state), escapeSign));
  const [last = '', sources] = [words.at(-1), words.slice(0, -1)];
  if (sources.length === 0)
    throw new DockerfileProblem(instruction, `${instruction.name} requires at least two arguments`);
  const files = await filesOf(state);
  const said = posix.resolve('/', state.config.workingDir ?? '/', last);
  const isFolder = /\/$|^\.$|\/\.$/.test(last) || sources.length > 1 || files.resolve(said)?.type === 'directory';
  if (sources.length > 1 && !/\/$|^\.$|\/\.$/.test(last)) {
    throw new DockerfileProblem(
      instruction,
      `When using ${instruction.name} with more than one source file, the destination must be a directory and end with a /`,
    );
  }
  const copy: Copy = { ...step, instruction, target: files.place(said), isFolder };
  const from = instruction.flags.get('from');
  const entries: TarEntry[] = [];
  if (from !== undefined && instruction.documents.length > 0)
    throw new DockerfileProblem(instruction, `${instruction.name} --from cannot take a here-document`);
  if (from !== undefined) {
    const other = await build.filesOf(from, stage);
    if (!other)
      throw new DockerfileProblem(
        instruction,
        `--from=${from} is neither an earlier stage nor an image that can be had`,
      );
    for (const source of sources) entries.push(...(await entriesOfImage(copy, source, other)));
  } else {
    const documents = [...instruction.documents];
    for (const source of sources) {
      const document = /^\d*<</.test(source) ? documents.shift() : undefined;
      entries.push(...(document ? [writtenOut(copy, document)] : await entriesOfFolder(copy, source)));
    }
  }
  const owned = entries.map(await ownerAndMode(copy));
  await addFiles(state, owned, { store: build.builder.store, by: byOf(instruction) });
}

/** A here-document is a file. */
function writtenOut(
  { instruction, state, target, isFolder }: Copy,
  { name, content, isLiteral }: HereDocument,
): TarEntry {
  const scope = { values: variablesOf(state), escapeSign: instruction.escapeSign };
  const text = isLiteral ? content : placed(instruction, () => replaced(content, scope));
  return { path: isFolder ? posix.join(target, name) : target, mode: 0o644, type: 'file', content: Buffer.from(text) };
}

async function entriesOfFolder(copy: Copy, word: string): Promise<TarEntry[]> {
  const { instruction, build, target, isFolder } = copy;
  if (/^(https?|git|ssh):\/\/|^git@/.test(word)) {
    throw new DockerfileProblem(
      instruction,
      `${instruction.name} of ${word} is not supported: only files of the build's folder`,
    );
  }
  const sources = await build.context.sources(word).catch((error: Error) => {
    throw new DockerfileProblem(instruction, error.message);
  });
  if (sources.length === 0) throw new DockerfileProblem(instruction, `"/${word.replace(/^\/+/, '')}": not found`);
  const entries: TarEntry[] = [];
  const many = isFolder || sources.length > 1;
  for (const { path, isFolder: isSourceFolder } of sources) {
    if (isSourceFolder) {
      entries.push({ path: target, mode: 0o755, type: 'directory' });
      entries.push(...(await build.context.folderEntries(path, target)));
      continue;
    }
    const archive = instruction.name === 'ADD' ? await build.context.archiveKind(path) : undefined;
    if (archive === 'other') {
      throw new DockerfileProblem(instruction, `ADD of ${path}: only tar and tar.gz are taken apart here`);
    }
    if (archive) {
      entries.push(...(await entriesOfArchive(copy, await build.context.fileOf(path), archive)));
      continue;
    }
    const entry = await build.context.fileEntry(path, many ? posix.join(target, posix.basename(path)) : target);
    if (entry) entries.push(entry);
  }
  return withoutThere(copy, entries);
}

async function entriesOfArchive({ build, target }: Copy, file: string, kind: 'tar' | 'gzip'): Promise<TarEntry[]> {
  const entries: TarEntry[] = [];
  const visit = async (
    header: { name: string; type?: string | null; mode?: number; uid?: number; gid?: number; linkname?: string | null },
    stream: AsyncIterable<Uint8Array>,
  ) => {
    const { mode = 0o644, uid = 0, gid = 0 } = header;
    // A path that would lead out of the target ends in it.
    const common = { path: posix.join(target, posix.normalize(`/${header.name}`)), mode: mode & 0o7777, uid, gid };
    if (header.type === 'directory') entries.push({ ...common, type: 'directory' });
    else if (header.type === 'symlink') entries.push({ ...common, type: 'symlink', target: header.linkname ?? '' });
    else if (header.type === 'file') {
      const blob = await build.builder.store.keep(stream);
      entries.push({ ...common, type: 'file', source: blob.path, size: blob.size, stamp: blob.digest });
    } else if (header.type === 'link') {
      // Another name of a file that came before.
      const linked = posix.join(target, posix.normalize(`/${header.linkname ?? ''}`));
      const original = entries.findLast(({ path }) => path === linked);
      if (original?.type === 'file') entries.push({ ...original, path: common.path });
    }
  };
  await readTar(createReadStream(file), { gzip: kind === 'gzip', visit });
  return entries;
}

async function entriesOfImage(copy: Copy, word: string, files: ImageFiles): Promise<TarEntry[]> {
  const { instruction, build, target, isFolder } = copy;
  const { store } = build.builder;
  const path = posix.resolve('/', word);
  const found = hasWildcard(path) ? matching(files, path) : [files.resolve(path)].filter((file) => file !== undefined);
  if (found.length === 0) throw new DockerfileProblem(instruction, `"${path}": not found`);
  const entries: TarEntry[] = [];
  for (const file of found) {
    if (file.type === 'directory') {
      const inside = (each: string) => posix.join(target, file.path === '/' ? each : each.slice(file.path.length));
      entries.push({ path: target, mode: 0o755, type: 'directory' });
      entries.push(...(await files.entries(files.below(file.path), { store, rename: inside })));
    } else {
      const name = hasWildcard(path) ? posix.basename(file.path) : posix.basename(path);
      const at = isFolder || found.length > 1 ? posix.join(target, name) : target;
      entries.push(...(await files.entries([file], { store, rename: () => at })));
    }
  }
  // As Docker: what is copied is root's, unless --chown says otherwise.
  return withoutThere(
    copy,
    entries.map((entry) => ({ ...entry, uid: 0, gid: 0 })),
  );
}

function matching(files: ImageFiles, path: string) {
  const expression = patternExpression(path.slice(1));
  const depth = path.split('/').length;
  return files
    .below('/')
    .filter((file) => file.path.split('/').length === depth && expression.test(file.path.slice(1)))
    .map((file) => files.resolve(file.path) ?? file);
}

/** The target itself keeps its mode and owner when it is there. */
async function withoutThere({ state, target }: Copy, entries: TarEntry[]): Promise<TarEntry[]> {
  const files = await filesOf(state);
  const isThere = files.resolve(target)?.type === 'directory';
  return entries.filter((entry) => !(isThere && entry.path === target && entry.type === 'directory'));
}

async function ownerAndMode({ instruction, state, build }: Copy): Promise<(entry: TarEntry) => TarEntry> {
  const flag = (name: string) => {
    const said = instruction.flags.get(name);
    return said && placed(instruction, () => expanded(said, variablesOf(state), instruction.escapeSign));
  };
  const chmod = flag('chmod');
  if (chmod !== undefined && !/^0?[0-7]{3,4}$/.test(chmod)) {
    throw new DockerfileProblem(instruction, `--chmod=${chmod} is not an octal mode`);
  }
  const chown = flag('chown');
  const [user = '', group = user] = chown?.split(':') ?? [];
  const look = async (name: string, file: string): Promise<number> => {
    if (/^\d{1,9}$/.test(name)) return Number(name);
    const text = await (await filesOf(state)).text(file, build.builder.store);
    const line = text?.split('\n').find((each) => each.startsWith(`${name}:`));
    const id = line?.split(':')[2];
    if (id === undefined)
      throw new DockerfileProblem(instruction, `--chown=${chown}: ${file} of the image has no "${name}"`);
    return Number(id);
  };
  const owner =
    chown === undefined ? {} : { uid: await look(user, '/etc/passwd'), gid: await look(group, '/etc/group') };
  return (entry) => ({
    ...entry,
    ...owner,
    ...(chmod !== undefined && entry.type !== 'symlink' && { mode: Number.parseInt(chmod, 8) }),
  });
}
