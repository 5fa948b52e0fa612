// Bundles what is shipped and started: dist/kedge.mjs with chunks that are loaded when needed, and dist/testing.mjs.
// Only lmdb stays outside: it brings a native library.
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const DIST = join(ROOT, 'dist');
const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));

const entryPoints = [
  { in: join(ROOT, 'src/cmd/main.ts'), out: 'kedge' },
  { in: join(ROOT, 'src/testing/index.ts'), out: 'testing' },
].filter((entry) => existsSync(entry.in));

rmSync(join(DIST, 'chunks'), { recursive: true, force: true });
const result = await build({
  absWorkingDir: ROOT,
  entryPoints,
  outdir: DIST,
  bundle: true,
  splitting: true,
  chunkNames: 'chunks/[name]-[hash]',
  outExtension: { '.js': '.mjs' },
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  external: ['lmdb'],
  minifySyntax: true,
  minifyWhitespace: true,
  keepNames: false,
  legalComments: 'none', // THIRD-PARTY-NOTICES has them
  loader: { '.proto': 'text' },
  define: { KEDGE_VERSION: JSON.stringify(version) },
  // CommonJS packages inside the bundle call require() for modules of Node.
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
  },
  logLevel: 'warning',
  metafile: true,
});

const command = join(DIST, 'kedge.mjs');
await writeFile(command, `#!/usr/bin/env node\n${await readFile(command, 'utf8')}`);
await chmod(command, 0o755);
// The prose that `kubectl explain` prints is taken from the package that documents the API. It is shipped, not committed.
const describe = [
  '--import',
  'tsx',
  join(ROOT, 'tools/generate/write-descriptions.ts'),
  join(DIST, 'descriptions.json.gz'),
];
const described = spawnSync(process.execPath, describe, { cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit'] });
if (described.status !== 0) throw new Error('the descriptions of the API could not be written');

if (!process.argv.includes('--quiet')) {
  const bytes = Object.values(result.metafile.outputs).reduce((sum, output) => sum + output.bytes, 0);
  console.log(`dist: ${Object.keys(result.metafile.outputs).length} files, ${(bytes / 1e6).toFixed(1)} MB`);
}
