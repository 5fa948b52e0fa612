#!/usr/bin/env node
// `npm run bench`: sees to what the measures of bench/ need, and runs them. bench/main.ts says what it takes and prints.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { checkNode, ensureBuilt, ensureNpmPackages, ROOT, runTool } from './prerequisites.mjs';

await runTool(async () => {
  checkNode();
  ensureNpmPackages();
  ensureBuilt();
  const { register } = await import('tsx/esm/api'); // not before the packages are installed
  register();
  const { main } = await import(pathToFileURL(join(ROOT, 'bench', 'main.ts')).href);
  process.exitCode = await main(process.argv.slice(2));
});
