// Bundles what is shipped and started: dist/kedge.mjs with chunks that are loaded when needed, and dist/testing.mjs; with
// --types also the types of the latter, which only users of the package need.
// Only lmdb stays outside: it brings a native library.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { buildTypes } from './build-types.mjs';

const startedAt = new Date();
const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const DIST = join(ROOT, 'dist');
const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));

const entryPoints = [
  { in: join(ROOT, 'src/cmd/main.ts'), out: 'kedge' },
  { in: join(ROOT, 'src/testing/built-testing.ts'), out: 'testing' },
].filter((entry) => existsSync(entry.in));

const common = {
  absWorkingDir: ROOT,
  outdir: DIST,
  bundle: true,
  platform: 'node',
  target: 'node20.19',
  external: ['lmdb'],
  minifySyntax: true,
  minifyWhitespace: true,
  keepNames: false,
  legalComments: 'none', // THIRD-PARTY-NOTICES has them
  loader: { '.proto': 'text' },
  logLevel: 'warning',
  write: false,
};
const define = { KEDGE_VERSION: JSON.stringify(version) };
const result = await build({
  ...common,
  entryPoints,
  splitting: true,
  chunkNames: 'chunks/[name]-[hash]',
  outExtension: { '.js': '.mjs' },
  format: 'esm',
  define,
  // CommonJS packages inside the bundle call require() for modules of Node.
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
  },
});
// Each one file of CommonJS, of which the engine can keep what it has compiled (src/cmd/compiled-program.ts).
const compilable = await build({
  ...common,
  entryPoints: [
    { in: join(ROOT, 'src/cmd/control-plane/run-control-plane.ts'), out: 'control-plane' },
    { in: join(ROOT, 'src/cmd/supervisor/run-supervisor.ts'), out: 'supervisor' },
    { in: join(ROOT, 'src/cmd/kubelet.ts'), out: 'kubelet' },
    { in: join(ROOT, 'src/cmd/net.ts'), out: 'net' },
    { in: join(ROOT, 'src/testing/kedge-testing.ts'), out: 'testing' },
  ],
  outExtension: { '.js': '.cjs' },
  format: 'cjs',
  define: { ...define, 'import.meta.url': '__programUrl' },
});

// Chunks first and each file at once: a command that starts meanwhile finds either the old program or the new one, whole.
const isChunk = ({ path }) => path.includes('/chunks/');
await mkdir(join(DIST, 'chunks'), { recursive: true });
for (const file of result.outputFiles.filter(isChunk)) await place(file.path, file.contents, 0o644);
for (const file of result.outputFiles.filter((each) => !isChunk(each))) {
  const isCommand = file.path.endsWith('/kedge.mjs');
  await place(file.path, isCommand ? `#!/usr/bin/env node\n${file.text}` : file.contents, isCommand ? 0o755 : 0o644);
}
for (const { path, text } of compilable.outputFiles)
  await place(path, `// ${createHash('sha256').update(text).digest('hex')}\n${text}`, 0o644);
for (const name of await readdir(DIST)) if (name.includes('.compiled')) await rm(join(DIST, name), { force: true });
await removeOldChunks(new Set(result.outputFiles.map(({ path }) => path)));

async function place(path, content, mode) {
  const draft = `${path}.${process.pid}`;
  await writeFile(draft, content, { mode });
  await rename(draft, path);
}

function runTypeScript(tool, target) {
  const line = ['--import', 'tsx', join(ROOT, tool), target];
  return spawnSync(process.execPath, line, { cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit'] });
}

/** Processes of a running cluster may still load chunks of the build that they were started from: for a day. */
async function removeOldChunks(current) {
  for (const name of await readdir(join(DIST, 'chunks'))) {
    const path = join(DIST, 'chunks', name);
    const found = current.has(path) ? undefined : await stat(path).catch(() => undefined); // another build was faster
    if (found && Date.now() - found.mtimeMs > 24 * 3_600_000) await rm(path, { force: true });
  }
}

const compiled = runTypeScript('tools/generate/write-compiled.ts', DIST);
if (compiled.status !== 0) console.error('Nothing could be compiled beforehand: the first starts will be slower.');

// The prose that `kubectl explain` prints is taken from the package that documents the API. It is shipped, not committed.
const described = runTypeScript('tools/generate/write-descriptions.ts', join(DIST, 'descriptions.json.gz'));
if (described.status !== 0) throw new Error('the descriptions of the API could not be written');

if (process.argv.includes('--types')) await buildTypes({ root: ROOT, to: join(DIST, 'types') });

// Sources that are newer than this are not in it (`ensureBuilt` in prerequisites.mjs).
const stamp = join(ROOT, '.cache/built');
await mkdir(dirname(stamp), { recursive: true });
await writeFile(stamp, '');
await utimes(stamp, startedAt, startedAt);

if (!process.argv.includes('--quiet')) {
  const bytes = result.outputFiles.reduce((sum, { contents }) => sum + contents.length, 0);
  console.log(`dist: ${result.outputFiles.length} files, ${(bytes / 1e6).toFixed(1)} MB`);
}
