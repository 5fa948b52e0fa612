/**
 * Stock client-go with everything that its typed, dynamic, metadata, scale and discovery clients do. Needs Go and the Go module
 * proxy, and takes minutes the first time, so it runs in CI and when it is asked for: WIRE_CLIENT_GO=1.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const KEDGE = join(ROOT, 'dist/kedge.mjs');
const MINUTES = 60_000;

const isAskedFor = process.env.CI === 'true' || Boolean(process.env.WIRE_CLIENT_GO);

test.skipIf(!isAskedFor)('the Go client finds what it expects', { timeout: 15 * MINUTES }, async () => {
  const data = mkdtempSync(join(tmpdir(), 'client-go-'));
  const home = join(data, 'home');
  mkdirSync(home);
  const name = `go-${process.pid}`;
  const kedge = (...args: string[]) =>
    run(process.execPath, [KEDGE, ...args, '--name', name], { env: { ...process.env, HOME: home } });
  try {
    await kedge('up', '--nodes', '0', '--simulated-nodes', '0', '--detach', '--data-dir', join(data, 'cluster'));
    const kubeconfig = (await kedge('kubeconfig', '--path')).stdout.trim();
    const env = { ...process.env, KUBECONFIG: kubeconfig };
    const { stdout } = await run('go', ['test', '-count=1', './...'], { cwd: join(ROOT, 'test/wire/client-go'), env });
    expect(stdout).toContain('ok');
  } finally {
    await kedge('down', '--purge').catch((error: unknown) => console.error('the cluster could not be removed', error));
    rmSync(data, { recursive: true, force: true });
  }
});
