/** Toolchains of other languages: on the machines of the tests, and elsewhere where somebody asks for them. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export const run = promisify(execFile);
export const folderOf = (language: string): string => fileURLToPath(new URL(language, import.meta.url));
/** They take minutes the first time: in CI, and with TEST_CLIENTS=1. */
export const isAskedFor = process.env.CI === 'true' || Boolean(process.env.TEST_CLIENTS);
export const MINUTES = 60_000;

/** What a program said, whether it liked it or not. */
export async function outcomeOf(
  program: string,
  args: readonly string[],
  options: { cwd: string; env: NodeJS.ProcessEnv },
): Promise<{ isGood: boolean; text: string }> {
  try {
    const { stdout, stderr } = await run(program, [...args], { ...options, maxBuffer: 32 << 20 });
    return { isGood: true, text: stdout + stderr };
  } catch (error) {
    const { stdout = '', stderr = '', message } = error as { stdout?: string; stderr?: string; message: string };
    return { isGood: false, text: `${message}\n${stdout}${stderr}` };
  }
}
