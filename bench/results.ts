/**
 * RESULTS.md: the newest figures of each measure, on what day and what kind of machine they were taken. results.json keeps them, so
 * that one measure can be taken again without the others: all rows of one come from one run, as its floors do.
 */
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import type { Row } from './row.ts';
import { table } from './table.ts';

const RECORD = join(import.meta.dirname, 'results.json');
const PAGE = join(import.meta.dirname, 'RESULTS.md');

export interface Taken {
  /** `2026-11-21` */
  date: string;
  machine: string;
  rows: readonly Row[];
}

/** By measure. */
export type Results = Readonly<Record<string, Taken>>;

/** `known`: all measures there are; what is kept of others goes. */
export async function keepResults(
  { name, rows }: { name: string; rows: readonly Row[] },
  known: readonly string[],
): Promise<void> {
  const taken = { date: new Date().toISOString().slice(0, 10), machine: thisMachine(), rows };
  const results = withTaken(kept(), { name, taken, known });
  await writeFile(RECORD, `${JSON.stringify(results, withoutNaN, 2)}\n`);
  await writeFile(PAGE, resultsText(results, known));
}

/** JSON would make a null of it. */
const withoutNaN = (_: string, value: unknown): unknown => (Number.isNaN(value) ? undefined : value);

function kept(): Results {
  try {
    return JSON.parse(readFileSync(RECORD, 'utf8')) as Results;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {}; // the first ones
    throw error;
  }
}

/** In the order of `known`. */
export function withTaken(
  results: Results,
  { name, taken, known }: { name: string; taken: Taken; known: readonly string[] },
): Results {
  const all = new Map(Object.entries(results)).set(name, taken);
  return Object.fromEntries(known.flatMap((each) => (all.has(each) ? [[each, all.get(each)!]] : [])));
}

export function resultsText(results: Results, known: readonly string[]): string {
  const rows = Object.values(results).flatMap((taken) => taken.rows);
  return `# Results

${occasionsText(results, known)} Written by \`npm run bench -- --write\`, or with the names of some measures before \`--write\`.

Every figure stands beside a floor that was measured in the same run: the least that could do the job on this machine. \`ratio\` is
how many times worse than the floor it is, whatever the unit; 1 is the floor. \`p50\` and \`p99\` are of single requests, events
or starts, in ms. \`target\` is what the design asks for on 2 cores. Client, server and floor share the cores, so rates are those
of all of them together: compare them with the floor, not with other machines. MB are 10^6 bytes.

${table(rows)}
${limitsText(rows)}`;
}

/** `Measured DAY on MACHINE.`; what was taken on other occasions, and what never was, by name. */
function occasionsText(results: Results, known: readonly string[]): string {
  const occasions = new Map<string, string[]>();
  for (const [name, { date, machine }] of Object.entries(results)) {
    const occasion = `${date} on ${machine}`;
    occasions.set(occasion, [...(occasions.get(occasion) ?? []), name]);
  }
  const [most = [], ...others] = [...occasions].sort(([, a], [, b]) => b.length - a.length);
  const missing = known.filter((name) => !results[name]);
  return [
    `Measured ${most[0]}.`,
    ...others.map(([occasion, names]) => `${names.join(', ')}: ${occasion}.`),
    ...(missing.length > 0 ? [`Not measured yet: ${missing.join(', ')}.`] : []),
  ].join(' ');
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
