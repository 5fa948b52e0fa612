/** What a user has of Kedge when it is installed, for tests that put it elsewhere than into the clone. */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const PROJECT = resolve(import.meta.dirname, '../..');

/** `to` is relative to wherever the package is put. */
export function shippedFiles(): { from: string; to: string }[] {
  const paths = [
    'dist',
    'package.json',
    'examples',
    ...withDependencies('lmdb').map((name) => join('node_modules', name)),
  ];
  return paths.map((path) => ({ from: join(PROJECT, path), to: path }));
}

/** What the bundle loads from node_modules: the store's engine, and what that needs, native parts included. */
function withDependencies(name: string, seen = new Set<string>()): string[] {
  const manifest = join(PROJECT, 'node_modules', name, 'package.json');
  if (seen.has(name) || !existsSync(manifest)) return [...seen]; // native parts for other platforms are not installed
  seen.add(name);
  const { dependencies = {}, optionalDependencies = {} } = JSON.parse(readFileSync(manifest, 'utf8'));
  for (const next of Object.keys({ ...dependencies, ...optionalDependencies })) withDependencies(next, seen);
  return [...seen];
}
