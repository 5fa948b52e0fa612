/**
 * `tsx tools/generate/write-descriptions.ts <file>`: writes the prose of `kubectl explain`, taken from kubernetes-models, as
 * gzipped JSON. A step of the build: it ships with its licence notice and is never committed.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { facts } from '#api/generated/facts.ts';
import { type Declaration, declarationsOf } from './model-declarations.ts';

const nodeModules = fileURLToPath(new URL('../../node_modules', import.meta.url));
const [, , target] = process.argv;
if (!target) throw new Error('usage: write-descriptions.ts <file>');

const packages = new Map<string, Map<string, Declaration>>();

function declarationOf(typeName: string): Declaration | undefined {
  const dot = typeName.lastIndexOf('.');
  const ourPackage = typeName.slice(0, dot);
  const known = packages.get(ourPackage) ?? declarationsOf(ourPackage, nodeModules);
  packages.set(ourPackage, known);
  return known.get(typeName.slice(dot + 1));
}

const descriptions: Record<string, [string, Record<string, string>]> = {};
for (const name of facts.names()) {
  const declaration = declarationOf(name);
  if (!declaration) continue;
  const fields = [...declaration.fields].filter(([, { description }]) => description !== '');
  descriptions[name] = [
    declaration.description,
    Object.fromEntries(fields.map(([field, { description }]) => [field, description])),
  ];
}
writeFileSync(target, gzipSync(JSON.stringify(descriptions), { level: 9 }));
process.stdout.write(`${Object.keys(descriptions).length} types described, ${readFileSync(target).length} bytes\n`);
