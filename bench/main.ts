/**
 * `npm run bench`: runs the measures of this folder, one file each, and prints a table; `-- NAME …` only those; `--json` one line a
 * row: {"measure","value","unit","p50","p99","floor","ratio"}; `--write` puts each measure that succeeds into RESULTS.md.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { NEWER_NODE, newerNode } from '../tools/prerequisites.mjs';
import { Bench, type Measure } from './bench.ts';
import { keepResults } from './results.ts';
import { jsonLine, type Row } from './row.ts';
import { table } from './table.ts';

/** No measure may take longer. */
const LONGEST_MEASURE_MS = 120_000;
const SUFFIX = '.bench.ts';
const NEWER = `Node.js ${NEWER_NODE.replace(/\..*/, '')}`;

/** @returns the exit code: 1 when a measure failed, 2 when there is none of that name. */
export async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { json: { type: 'boolean' }, write: { type: 'boolean' } },
  });
  const known = names();
  const unknown = positionals.filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    console.error(`There is no measure ${unknown.join(', ')}. There are: ${known.join(', ')}.`);
    return 2;
  }
  const rows: Row[] = [];
  let failures = 0;
  for (const name of positionals.length > 0 ? positionals : known) {
    try {
      const found = await measuredWithEach(await measureNamed(name));
      rows.push(...found);
      if (values.write) await keepResults({ name, rows: found }, known);
      if (values.json) for (const row of found) console.log(jsonLine(row));
    } catch (error) {
      failures++;
      console.error(`${name} failed:`, error);
    }
  }
  if (!values.json) console.log(table(rows));
  return failures > 0 ? 1 : 0;
}

const names = (): string[] =>
  readdirSync(import.meta.dirname)
    .filter((file) => file.endsWith(SUFFIX))
    .map((file) => file.slice(0, -SUFFIX.length))
    .sort();

async function measureNamed(name: string): Promise<Measure> {
  const measure = (await import(pathToFileURL(join(import.meta.dirname, name + SUFFIX)).href)) as Omit<Measure, 'name'>;
  return { ...measure, name };
}

/** Of the Node.js that runs this; of the newest LTS, too, where the measure is one of the engine. */
async function measuredWithEach(measure: Measure): Promise<Row[]> {
  const rows = await measured(measure);
  if (!measure.alsoOnNewerNode) return rows;
  const newer = await measured(measure, { node: newerNode() });
  return [...rows, ...newer.map(({ limit, ...row }) => ({ ...row, measure: `${row.measure}, ${NEWER}` }))];
}

/** However it ends, what it started is ended, a Ctrl-C included. */
async function measured({ name, run }: Measure, options?: { node: string }): Promise<Row[]> {
  const bench = new Bench(name, options);
  const began = performance.now();
  let giveUp: (error: Error) => void = () => undefined;
  const givenUp = new Promise<never>((_, reject) => {
    giveUp = reject;
  });
  const late = setTimeout(() => giveUp(new Error(`takes longer than ${LONGEST_MEASURE_MS} ms`)), LONGEST_MEASURE_MS);
  const interrupted = () => void bench.end().finally(() => process.exit(130));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, interrupted);
  try {
    return await Promise.race([run(bench), givenUp]);
  } finally {
    clearTimeout(late);
    await bench.end();
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, interrupted);
    bench.say(`${((performance.now() - began) / 1000).toFixed(1)} s`);
  }
}
