import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

/** Half of what is alive in one; all of that stays when anything is born old that reaches it. */
const MOST_LEFT_KB = 900;

/** What a cluster leaves to the collection of the whole heap, in KB, when young objects were collected after its end. */
const SCRIPT = `
const { startCluster } = await import(${JSON.stringify(new URL('kedge-testing.ts', import.meta.url).href)});
const CLUSTERS = 20;
async function life() {
  const cluster = await startCluster();
  await cluster[Symbol.asyncDispose]();
  await new Promise((resolve) => setImmediate(resolve));
}
for (let warm = 0; warm < CLUSTERS; warm++) await life();
gc();
for (let at = 0; at < CLUSTERS; at++) {
  await life();
  gc({ type: 'minor' });
}
const { heapUsed } = process.memoryUsage();
gc();
console.log((heapUsed - process.memoryUsage().heapUsed) / 1024 / CLUSTERS);
`;
/**
 * Young objects are collected when the script says so, and not in the middle of a life. What the engine learns to make old (in one
 * process of twenty something that reaches a whole cluster) is its own matter, and a control plane's engine is told not to.
 */
const ENGINE = [
  '--expose-gc',
  '--min-semi-space-size=64',
  '--max-semi-space-size=64',
  '--no-allocation-site-pretenuring',
];

// What is born old stays, with all that it points to, until the whole heap is looked at (decision 27).
test('a cluster that has ended is freed by a collection of young objects', async () => {
  const argv = [...ENGINE, '--import', 'tsx', '--input-type=module', '--eval', SCRIPT];
  const { stdout } = await promisify(execFile)(process.execPath, argv);
  expect(Number(stdout)).toBeLessThan(MOST_LEFT_KB);
});
