#!/usr/bin/env node
// `npm test`: does its own set-up, then runs unit, integration and end-to-end tests, and what needs a machine of its own. The last line counts: `N passed, N failed`.
// Names of projects as arguments run only those: `npm test -- unit`.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import {
  checkNode,
  ensureBuilt,
  ensureNpmPackages,
  ensureSystemPackages,
  NEWER_NODE,
  newerNode,
  ROOT,
  runTool,
  say,
  TEST_PACKAGES,
} from './prerequisites.mjs';

const PROJECTS = {
  unit: ['src', 'tools/guards'],
  integration: ['test/integration', 'test/wire', 'test/clients', 'test/scenarios'],
  e2e: ['test/e2e'],
  machines: ['test/machines'],
};

await runTool(async () => {
  checkNode();
  ensureNpmPackages();
  ensureSystemPackages(TEST_PACKAGES);
  ensureBuilt();
  const asked = process.argv.slice(2).filter((name) => name in PROJECTS);
  const names = (asked.length > 0 ? asked : Object.keys(PROJECTS)).filter(hasTests);
  const total = { passed: 0, failed: 0, skipped: 0, reasons: [], failures: [] };
  for (const name of names) runProject(name, total);
  if (process.env.CI === 'true' && names.includes('unit')) runProject('unit', total, newerNode());
  for (const reason of total.reasons) console.log(`skipped: ${reason}`);
  for (const failure of total.failures) console.log(`failed: ${failure}`);
  const isStrict = process.env.CI === 'true';
  if (isStrict && total.skipped > 0) {
    console.log('CI=true: a test that is skipped for want of something counts as failed');
    total.failed += total.skipped;
    total.skipped = 0;
  }
  const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : '';
  console.log(`${total.passed} passed, ${total.failed} failed${skipped}`);
  process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;
});

function runProject(name, total, node = process.execPath) {
  say(`\n${name} tests${node === process.execPath ? '' : ` on Node.js ${NEWER_NODE}`}`);
  const report = join(ROOT, '.cache', `tests-${name}.json`);
  mkdirSync(join(ROOT, '.cache'), { recursive: true });
  rmSync(report, { force: true });
  const args = ['run', '--project', name, '--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const result = spawnSync(node, [join(ROOT, 'node_modules/vitest/vitest.mjs'), ...args], {
    cwd: ROOT,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const counts = existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')) : undefined;
  const before = total.failed;
  for (const file of counts?.testResults ?? []) {
    // A file that cannot be loaded has no tests in it, and must not count as nothing.
    if (file.status === 'failed' && file.assertionResults.every(({ status }) => status !== 'failed')) {
      total.failed++;
      total.failures.push(`${file.name.slice(ROOT.length + 1)}: ${beginningOf(file.message)}`);
    }
    for (const test of file.assertionResults) {
      if (test.status === 'passed') total.passed++;
      else if (test.status === 'failed') {
        total.failed++;
        total.failures.push(
          `${file.name.slice(ROOT.length + 1)}: ${test.fullName}\n  ${beginningOf(test.failureMessages.join('\n'))}`,
        );
      } else {
        total.skipped++;
        total.reasons.push(`${file.name.slice(ROOT.length + 1)}: ${test.fullName}`);
      }
    }
  }
  if (result.status !== 0 && total.failed === before) {
    total.failed++; // errors outside any test, or no report at all
    total.failures.push(`${name}: ended with ${result.status ?? result.signal}, though no test failed`);
  }
}

/** Said again at the very end, where whoever sees only the last lines finds it. */
function beginningOf(message) {
  return message.split('\n').slice(0, 12).join('\n  ').slice(0, 1500);
}

function hasTests(name) {
  return PROJECTS[name].some((folder) => {
    const path = join(ROOT, folder);
    return existsSync(path) && readdirSync(path, { recursive: true }).some((file) => String(file).endsWith('.test.ts'));
  });
}
