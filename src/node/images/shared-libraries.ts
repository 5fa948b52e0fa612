/** Which shared libraries a program needs to run in an otherwise empty root. */
import { execFile } from 'node:child_process';
import { open } from 'node:fs/promises';
import { promisify } from 'node:util';
import { fileEntry } from './folder.ts';
import type { TarEntry } from './tar-entry.ts';

const execute = promisify(execFile);

/** Files of the libraries and of the loader, under the paths where the program looks for them. Empty for a static program. */
export async function sharedLibrariesOf(programs: readonly string[]): Promise<TarEntry[]> {
  const paths = new Set<string>();
  for (const program of programs) {
    if (!(await isElf(program))) continue;
    for (const path of librariesInLddOutput(await ldd(program))) paths.add(path);
  }
  return Promise.all([...paths].sort().map((path) => fileEntry(path, path)));
}

async function ldd(program: string): Promise<string> {
  try {
    return (await execute('ldd', [program], { env: { ...process.env, LC_ALL: 'C' }, timeout: 30_000 })).stdout;
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    if (/not a dynamic executable|statically linked/.test(stdout + stderr)) return '';
    throw error;
  }
}

/** Lines are `libm.so.6 => /lib/…/libm.so.6 (0x…)`, `/lib64/ld-linux-x86-64.so.2 (0x…)`, or have no file (the vdso). */
export function librariesInLddOutput(output: string): string[] {
  const missing = /^\s*(\S+) => not found/m.exec(output);
  if (missing) throw new Error(`library ${missing[1]} is not installed`);
  return [...output.matchAll(/^\s*(?:\S+ => )?(\/\S+) \(0x/gm)].map((line) => line[1] ?? '');
}

async function isElf(path: string): Promise<boolean> {
  await using file = await open(path);
  const { bytesRead, buffer } = await file.read(Buffer.alloc(4), 0, 4, 0);
  return bytesRead === 4 && buffer.readUInt32BE(0) === 0x7f454c46;
}
