#!/usr/bin/env node
// `npm run bench`: runs the measures of bench/, one file each, and prints a table; `-- NAME` only that one; `--json` one line a row:
// {"measure","value","unit","p50","p99","floor","ratio"}. A measure exports `run(): Promise<Row[]>`.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { checkNode, ensureBuilt, ensureNpmPackages, ROOT, runTool, SetUpFailed } from './prerequisites.mjs';

const COLUMNS = ['measure', 'value', 'unit', 'p50', 'p99', 'floor', 'ratio'];

await runTool(async () => {
  checkNode();
  ensureNpmPackages();
  ensureBuilt();
  const { register } = await import('tsx/esm/api'); // not before the packages are installed
  register();
  const args = process.argv.slice(2);
  const isJson = args.includes('--json');
  const asked = args.filter((arg) => !arg.startsWith('--'));
  const known = readdirSync(join(ROOT, 'bench')).flatMap((file) =>
    /^[a-z0-9-]+\.bench\.ts$/.test(file) ? file.replace('.bench.ts', '') : [],
  );
  const unknown = asked.filter((name) => !known.includes(name));
  if (unknown.length > 0)
    throw new SetUpFailed(`There is no measure ${unknown.join(', ')}. There are: ${known.join(', ')}.`);
  const rows = [];
  for (const name of asked.length > 0 ? asked : known) {
    const { run } = await import(pathToFileURL(join(ROOT, 'bench', `${name}.bench.ts`)).href);
    for (const row of await run()) {
      if (isJson)
        console.log(JSON.stringify(Object.fromEntries(COLUMNS.map((column) => [column, row[column] ?? null]))));
      else rows.push(row);
    }
  }
  if (!isJson) printTable(rows);
});

function printTable(rows) {
  const cell = (value) => (typeof value === 'number' ? String(Math.round(value * 100) / 100) : (value ?? ''));
  const lines = [COLUMNS, ...rows.map((row) => COLUMNS.map((column) => cell(row[column])))];
  const widths = COLUMNS.map((_, i) => Math.max(...lines.map((line) => line[i].length)));
  for (const line of lines)
    console.log(
      line
        .map((text, i) => (i === 0 ? text.padEnd(widths[i]) : text.padStart(widths[i])))
        .join('  ')
        .trimEnd(),
    );
}
