#!/usr/bin/env node
// `npm start`: from a fresh clone to a running cluster with an example that answers. Options after `--` go to `kedge up`.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { checkNode, ensureBuilt, ensureNpmPackages, ensureSystemPackages, ROOT, runTool } from './prerequisites.mjs';

await runTool(async () => {
  checkNode();
  ensureNpmPackages();
  ensureSystemPackages();
  ensureBuilt();
  const args = ['up', '--example', 'web', ...process.argv.slice(2)];
  const kedge = spawn(process.execPath, [join(ROOT, 'dist', 'kedge.mjs'), ...args], { stdio: 'inherit' });
  // From a terminal kedge gets Ctrl-C as well, and takes the second as the first.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => kedge.kill(signal));
  process.exitCode = await new Promise((resolve) => {
    kedge.once('error', () => resolve(1));
    kedge.once('close', (code) => resolve(code ?? 1));
  });
});
