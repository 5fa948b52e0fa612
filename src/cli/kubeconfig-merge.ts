/**
 * Puts a cluster's context into the user's kubeconfig, or takes it out. Everything else in the file, comments included, is
 * left as it is. Locks as kubectl does (a `.lock` file beside it), so that both may write at once.
 */

import { randomUUID } from 'node:crypto';
import { mkdir, open, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { type Document, isMap, isSeq, parseDocument } from 'yaml';
import { type Clock, sleep } from '#base/clock.ts';
import { UserError } from './context.ts';

const LOCK_PATIENCE_MS = 10_000;

/** The first file of $KUBECONFIG, else ~/.kube/config. Source: client-go, clientcmd, the file that changes go to. */
export function userKubeconfig(env: NodeJS.ProcessEnv): string {
  const [first] = (env['KUBECONFIG'] ?? '').split(delimiter).filter(Boolean);
  return first ?? join(env['HOME'] || homedir(), '.kube', 'config');
}

/** `own`: the text of a kubeconfig with one cluster, user and context of the same name. It becomes the current context. */
export const mergeKubeconfig = (path: string, own: string, clock: Clock): Promise<void> =>
  changed(path, clock, (text) => merged(text, own));

export const removeFromKubeconfig = (path: string, name: string, clock: Clock): Promise<void> =>
  changed(path, clock, (text) => (text === undefined ? undefined : without(text, name)));

/** Changes a kubeconfig, which is made where there is none. */
export const editKubeconfig = (path: string, clock: Clock, edit: (config: Document) => void): Promise<void> =>
  changed(path, clock, (text) => {
    const config = readable(text?.trim() ? text : 'apiVersion: v1\nkind: Config\n');
    edit(config);
    return config.toString({ lineWidth: 0 });
  });

const LISTS = ['clusters', 'contexts', 'users'] as const;

export function merged(text: string | undefined, own: string): string {
  const source = parseDocument(own);
  if (!text?.trim()) return source.toString();
  const target = readable(text);
  for (const list of LISTS) {
    for (const entry of entriesOf(source, list)) {
      dropEntry(target, list, String(isMap(entry) ? entry.get('name') : ''));
      if (isSeq(target.get(list))) target.addIn([list], entry);
      else target.set(list, target.createNode([entry]));
    }
  }
  target.set('current-context', source.get('current-context'));
  return target.toString({ lineWidth: 0 });
}

export function without(text: string, name: string): string {
  const target = readable(text);
  for (const list of LISTS) dropEntry(target, list, name);
  if (target.get('current-context') === name) target.set('current-context', '');
  return target.toString({ lineWidth: 0 });
}

function readable(text: string): Document {
  const document = parseDocument(text);
  if (document.errors.length > 0 || !isMap(document.contents)) {
    throw new UserError(`it is not a kubeconfig: ${document.errors[0]?.message ?? 'not a mapping'}`);
  }
  return document;
}

function entriesOf(document: Document, list: string): unknown[] {
  const entries = document.get(list);
  return isSeq(entries) ? [...entries.items] : [];
}

function dropEntry(document: Document, list: string, name: string): void {
  const index = entriesOf(document, list).findIndex((entry) => isMap(entry) && entry.get('name') === name);
  if (index >= 0) document.deleteIn([list, index]);
}

async function changed(
  path: string,
  clock: Clock,
  change: (text: string | undefined) => string | undefined,
): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o750 });
  const target = await realpath(path).catch(() => path); // a link stays a link
  await locked(target, clock, async () => {
    const before = await textOf(target);
    const after = change(before);
    if (after !== undefined && after !== before) await replace(target, after);
  });
}

async function locked(path: string, clock: Clock, act: () => Promise<void>): Promise<void> {
  const lock = `${path}.lock`;
  const deadlineMs = clock.monotonicMs() + LOCK_PATIENCE_MS;
  for (;;) {
    try {
      await (await open(lock, 'wx', 0o600)).close();
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      if (clock.monotonicMs() > deadlineMs) {
        throw new UserError(`${lock} is held by another program; if none is running, remove that file`);
      }
      await sleep(clock, 50);
    }
  }
  try {
    await act();
  } finally {
    await rm(lock, { force: true });
  }
}

async function replace(path: string, text: string): Promise<void> {
  const mode = await stat(path).then(
    (found) => found.mode & 0o777,
    () => 0o600,
  );
  const draft = `${path}.${randomUUID()}`;
  try {
    await using file = await open(draft, 'wx', mode);
    await file.writeFile(text);
    await file.datasync();
    await rename(draft, path);
  } finally {
    await rm(draft, { force: true });
  }
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
