// The types of `kedge/testing`: what the compiler says of the entry and all that it names, with imports that lead from file to
// file, because the package's own `#layer/…` names mean nothing to a compiler elsewhere.
import { spawnSync } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';

const ENTRY = 'testing/kedge-testing.d.ts';
const SPECIFIER = /(\bfrom\s*|\bimport\(\s*|\bimport\s+)(['"])([^'"]+)\2/g;

/** Gives the number of files. `root` is the project's, `to` the folder that is made anew. */
export async function buildTypes({ root, to }) {
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const made = spawnSync(process.execPath, [tsc, '-b', 'src/testing'], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (made.status !== 0) throw new Error('the types of kedge/testing could not be made');
  const from = join(root, '.cache/types');
  await rm(to, { recursive: true, force: true });
  const seen = new Set([ENTRY]);
  for (const path of seen) {
    const text = await readFile(join(from, path), 'utf8');
    const rewritten = text.replace(SPECIFIER, (whole, before, quote, specifier) => {
      const target = targetOf(path, specifier);
      if (!target) return whole;
      seen.add(target);
      const way = relative(dirname(path), target).replace(/\.d\.ts$/, '.js');
      return `${before}${quote}${way.startsWith('.') ? way : `./${way}`}${quote}`;
    });
    await mkdir(dirname(join(to, path)), { recursive: true });
    await writeFile(join(to, path), rewritten);
  }
  return seen.size;
}

/** From the folder of all declarations; undefined for a module of somebody else. */
function targetOf(path, specifier) {
  const declared = specifier.replace(/\.ts$/, '.d.ts');
  if (specifier.startsWith('#')) return declared.slice(1);
  if (specifier.startsWith('.')) return join(dirname(path), declared);
  return undefined;
}
