/** How the log of a process ends, for whoever has to be told why it did. */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';

/** What a process says at each of its starts is told once. */
function lastOnes(lines: readonly string[]): string[] {
  const messageOf = (line: string) => line.replace(/\d[\d:.TZ-]*/g, '');
  return lines
    .filter((line, i) => lines.findLastIndex((other) => messageOf(other) === messageOf(line)) === i)
    .slice(-8);
}

export async function lastLines(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return `${resolve(path)} ends with:\n${lastOnes(text.trimEnd().split('\n')).join('\n')}`;
}
