/** RESULTS.md: the table of one run, and on what kind of machine it was. */
import { writeFile } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import type { Row } from './row.ts';
import { table } from './table.ts';

const FILE = join(import.meta.dirname, 'RESULTS.md');

/** Nothing is written from a run that lacks a measure: the file is one run's. */
export async function writeResults(rows: readonly Row[], { isWhole }: { isWhole: boolean }): Promise<void> {
  if (!isWhole) {
    console.error('RESULTS.md is left as it is: it holds whole runs only, without names and without failures.');
    return;
  }
  await writeFile(FILE, resultsText(rows, { machine: thisMachine(), date: new Date().toISOString().slice(0, 10) }));
}

export function resultsText(rows: readonly Row[], { machine, date }: { machine: string; date: string }): string {
  return `# Results

Measured ${date} on ${machine}. Written by \`npm run bench -- --write\`.

Every figure stands beside a floor that was measured in the same run: the least that could do the job on this machine. \`ratio\` is
how many times worse than the floor it is, whatever the unit; 1 is the floor. \`p50\` and \`p99\` are of single requests, events
or starts, in ms. \`target\` is what the design asks for on 2 cores. Client, server and floor share the cores, so rates are those
of all of them together: compare them with the floor, not with other machines. MB are 10^6 bytes.

${table(rows)}
${limitsText(rows)}`;
}

function limitsText(rows: readonly Row[]): string {
  const limits = rows.filter(({ limit }) => limit);
  if (limits.length === 0) return '';
  return `
## What limits them

${limits.map(({ measure, limit }) => `- **${measure}**: ${limit}`).join('\n')}
`;
}

/** In general terms, e.g. `2 cores, 24 GiB, Debian 12, kernel 6.18, Node.js 20.20`. */
function thisMachine(): string {
  const gigabytes = Math.round(totalmem() / 2 ** 30);
  const system =
    /^PRETTY_NAME="?([^"(\n]*)/m.exec(osRelease())?.[1]?.trim().replace('GNU/Linux ', '') ?? process.platform;
  const short = (version: string) => version.split('.').slice(0, 2).join('.');
  return `${cpus().length} cores, ${gigabytes} GiB, ${system}, kernel ${short(release())}, Node.js ${short(process.versions.node)}`;
}

function osRelease(): string {
  try {
    return readFileSync('/etc/os-release', 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''; // not Linux
    throw error;
  }
}
