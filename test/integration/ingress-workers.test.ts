/** The processes that carry the traffic, as the process `net` starts them. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const NEEDS =
  "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);";
const isRoot = process.getuid?.() === 0;
let folder: string;
let child: ChildProcess;
let greeting: Promise<unknown[]>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ingress-worker-'));
  const contents = "import { runIngressWorker } from './src/cmd/ingress-worker.ts'; await runIngressWorker();";
  const outfile = join(folder, 'worker.mjs');
  await build({
    absWorkingDir: ROOT,
    stdin: { contents, resolveDir: ROOT, loader: 'ts' },
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    banner: { js: NEEDS },
    logLevel: 'error',
  });
  child = fork(outfile, [], { serialization: 'advanced', execArgv: [] });
  greeting = once(child, 'message');
}, 60_000);
afterAll(async () => {
  child?.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true });
});

test.runIf(isRoot)('what comes in from outside meets a process that is nobody and may do nothing else', async () => {
  expect((await greeting)[0]).toEqual({ hears: true });
  const status = await readFile(`/proc/${child.pid}/status`, 'utf8');
  const line = (name: string) => new RegExp(`^${name}:(.*)$`, 'm').exec(status)?.[1]?.trim().split(/\s+/);
  expect(line('Uid')).toEqual(Array(4).fill('65534'));
  expect(line('Gid')).toEqual(Array(4).fill('65534'));
  expect(line('Groups')).toEqual(['']);
  for (const capabilities of ['CapEff', 'CapPrm']) expect(line(capabilities)).toEqual(['0000000000000000']);
});
