/** Where something is missing, Kedge does what it can and says what it cannot: no root, a Node.js that is too old. */
import { chmodSync, chownSync, copyFileSync, cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { holds, run, stockKubectl } from './running-cluster.ts';
import { shippedFiles } from './shipped-files.ts';

const PROJECT = resolve(import.meta.dirname, '../..');
const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;

test.skipIf(!isRoot)(
  'without root the example runs on simulated nodes, and no address is promised that cannot answer',
  async () => {
    const home = mkdtempSync(join(tmpdir(), 'kedge-nobody-'));
    chownSync(home, NOBODY, NOBODY);
    // The clone may lie where only root can read.
    const program = mkdtempSync(join(tmpdir(), 'kedge-installed-'));
    chmodSync(program, 0o755);
    for (const { from, to } of shippedFiles()) cpSync(from, join(program, to), { recursive: true });
    const kubectl = join(program, 'kubectl');
    copyFileSync(await stockKubectl(), kubectl);
    chmodSync(home, 0o700);
    const env = {
      HOME: home,
      XDG_DATA_HOME: join(home, 'data'),
      XDG_RUNTIME_DIR: home,
      XDG_CACHE_HOME: join(home, 'cache'),
      KUBECONFIG: join(home, 'config'),
    };
    const asNobody = (command: string, ...args: string[]) =>
      run('setpriv', [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', command, ...args], { env });
    const kedge = (...args: string[]) =>
      asNobody(process.execPath, join(program, 'dist/kedge.mjs'), ...args, '--name', `nobody${process.pid}`);
    try {
      const up = await kedge('up', '--detach', '--example', 'web');
      expect(up.code, up.stderr).toBe(0);
      const said = up.stdout + up.stderr;
      expect(said).toMatch(/simulated/);
      expect(said).toMatch(/root/); // what is missing
      expect(said).not.toMatch(/http:\/\/[\d.]+:30080/);
      await holds('the nodes and the example are ready', async () => {
        const nodes = await asNobody(kubectl, 'get', 'nodes');
        expect(nodes.stdout).toMatch(/node1 +Ready[\s\S]*node2 +Ready/);
        expect((await asNobody(kubectl, 'get', 'deployment', 'myapp')).stdout).toMatch(/myapp +3\/3/);
      });
    } finally {
      await kedge('down', '--purge');
      for (const folder of [home, program]) rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
    }
  },
);

test('an old Node.js is told which one is needed', async () => {
  const pretend =
    "data:text/javascript,Object.defineProperty(process,'versions',{value:{...process.versions,node:'18.20.0'}})";
  for (const tool of ['start.mjs', 'test.mjs']) {
    const { code, stderr } = await run(process.execPath, ['--import', pretend, join(PROJECT, 'tools', tool)]);
    expect(code).toBe(1);
    expect(stderr).toContain('Kedge needs Node.js 20.19 or newer, and this is 18.20.0');
  }
});
