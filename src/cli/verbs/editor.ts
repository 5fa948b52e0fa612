/** A text in the editor of the user's choice. Source: kubectl, util/editor. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { VerbIo } from './verb.ts';
import { VerbError } from './verb-error.ts';

/** What the user made of a text. The file stays until it is removed: it may be all that is left of somebody's work. */
export interface EditedFile {
  path: string;
  text: string;
}

/** `extension` begins with a dot. Throws VerbError when the editor fails. */
export async function inEditor({ env, folder }: VerbIo, text: string, extension: string): Promise<EditedFile> {
  const path = join(mkdtempSync(join(env['TMPDIR'] || tmpdir(), 'kedge-edit-')), `edit${extension}`);
  writeFileSync(path, text, { mode: 0o600 });
  try {
    await launch(env, { path, folder });
    return { path, text: readFileSync(path, 'utf8') };
  } catch (error) {
    removeEdited(path);
    throw error;
  }
}

export const removeEdited = (path: string): void => rmSync(dirname(path), { recursive: true, force: true });

/** Says where the work is, if it is anywhere. */
export function tellOfCopy(io: VerbIo, path: string | undefined): void {
  if (path && existsSync(path)) io.err(`A copy of your changes has been stored to ${JSON.stringify(path)}\n`);
}

/** What has quotes in it is the shell's to read. */
function commandOf(env: NodeJS.ProcessEnv): { words: string[]; isOfShell: boolean } {
  const editor = env['KUBE_EDITOR'] || env['EDITOR'] || 'vi';
  if (!/["'\\]/.test(editor) || !editor.includes(' ')) return { words: editor.split(' '), isOfShell: false };
  return { words: [env['SHELL'] || '/bin/bash', '-c', editor], isOfShell: true };
}

function launch(env: NodeJS.ProcessEnv, { path, folder }: { path: string; folder: string }): Promise<void> {
  const { words, isOfShell } = commandOf(env);
  const told = JSON.stringify(words.join(' '));
  const [program = '', ...args] = isOfShell
    ? [...words.slice(0, -1), `${words.at(-1)} ${JSON.stringify(path)}`]
    : [...words, path];
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: 'inherit', cwd: folder });
    const failed = () => reject(new VerbError(`there was a problem with the editor ${told}`));
    child.once('error', ({ code }: NodeJS.ErrnoException) =>
      code === 'ENOENT' ? reject(new VerbError(`unable to launch the editor ${told}`)) : failed(),
    );
    child.once('exit', (code) => (code === 0 ? resolve() : failed()));
  });
}
