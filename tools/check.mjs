#!/usr/bin/env node
// `npm run check`: types, lint and format, guards, generated files. Sizes are listed at the end; they fail nothing.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { checkNode, ensureNpmPackages, ROOT, runTool, say } from './prerequisites.mjs';

const LONG_FILE_LINES = 500;

const bin = (name) => join(ROOT, 'node_modules', '.bin', name);
const STEPS = [
  ['types', [bin('tsc'), '-b']],
  ['lint', [bin('biome'), 'lint', '--diagnostic-level=error', '.']],
  ['format', [bin('biome'), 'format', '.']],
  ['guards', [bin('vitest'), 'run', '--project', 'unit', '--reporter=dot', 'tools/guards/']],
  ['notices', [process.execPath, join(ROOT, 'tools/notices.mjs'), '--check']],
];

await runTool(async () => {
  checkNode();
  ensureNpmPackages();
  const failed = STEPS.filter(([name, argv]) => !passes(name, argv)).map(([name]) => name);
  for (const line of longFiles(join(ROOT, 'src'))) console.log(line);
  console.log(failed.length > 0 ? `check: ${failed.join(', ')} failed` : 'check: all is well');
  process.exitCode = failed.length > 0 ? 1 : 0;
});

function passes(name, [program, ...args]) {
  const startedMs = Date.now();
  const { status, stdout, stderr } = spawnSync(program, args, { cwd: ROOT, encoding: 'utf8', maxBuffer: 64 << 20 });
  say(`${status === 0 ? '✓' : '✗'} ${name} (${((Date.now() - startedMs) / 1000).toFixed(1)} s)`);
  if (status !== 0) console.log(`${stdout}${stderr}`);
  return status === 0;
}

function longFiles(folder) {
  return readdirSync(folder, { recursive: true })
    .map((file) => join(folder, String(file)))
    .filter((path) => path.endsWith('.ts') && !path.includes('/generated/'))
    .map((path) => ({ path, lines: readFileSync(path, 'utf8').split('\n').length - 1 }))
    .filter(({ lines }) => lines > LONG_FILE_LINES)
    .sort((a, b) => b.lines - a.lines)
    .map(({ path, lines }) => `long file: ${relative(ROOT, path)} has ${lines} lines`);
}
