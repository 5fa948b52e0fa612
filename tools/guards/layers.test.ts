/** Arrows point one way, and components meet only in the API (ARCHITECTURE.md, "The one rule"). The compiler says so too; this names the page. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT, type SourceFile, sourceFiles } from './source-files.ts';

/** What a layer may take from npm. Node's own modules are bound by the tsconfigs (`types`). */
const PACKAGES: Record<string, readonly string[]> = {
  'src/api': ['yaml', 're2js'],
  'src/client/transport': ['undici', 'ws', 'yaml'],
  'src/control-plane/storage/encryption': ['@noble/ciphers'],
  'src/control-plane/storage': ['lmdb', '@grpc/grpc-js', '@grpc/proto-loader'],
  'src/control-plane/apiserver': ['ws', 'undici', 'jose', 'prom-client', 'yaml', '@grpc/proto-loader'],
  'src/node/runtime': ['@grpc/grpc-js', 'protobufjs'],
  'src/node/kubelet': ['ws', 'undici', 'prom-client', '@grpc/grpc-js'],
  'src/node/images': ['tar-stream'],
  'src/network/dns': ['dns-packet'],
  'src/network/ingress': ['undici', 're2js', 'bcryptjs'],
  'src/cli': ['commander', 'picocolors', 'tar-stream', 'yaml'],
  'src/cmd': ['pino', 'commander', 'picocolors', 'yaml', 'prom-client', 'undici'],
};

const files = sourceFiles().filter(({ isTest }) => !isTest);
const layers = findLayers(files);

test('a layer imports only what its tsconfig references', () => {
  const wrong = files.flatMap((file) =>
    file.imports.flatMap((specifier) => {
      const target = targetOf(file, specifier);
      const from = layerOf(file.path);
      const to = target && layerOf(target);
      if (!from || !to || from === to || referencesOf(from).includes(to)) return [];
      return [`${file.path} imports ${specifier}: ${from} may not see ${to} (ARCHITECTURE.md, "The one rule")`];
    }),
  );
  expect(wrong).toEqual([]);
});

test('a layer takes from npm only what is on its list', () => {
  const wrong = files.flatMap((file) =>
    file.imports
      .filter((specifier) => !/^[.#]|^node:/.test(specifier))
      .map((specifier) =>
        specifier
          .split('/')
          .slice(0, specifier.startsWith('@') ? 2 : 1)
          .join('/'),
      )
      .filter((name) => !allowedFor(file.path).includes(name))
      .map((name) => `${file.path} imports ${name}: add it to the list with a decision record, or do without`),
  );
  expect(wrong).toEqual([]);
});

test('the pure layers name no module of Node', () => {
  const pure = files.filter(
    ({ path }) => !JSON.stringify(tsconfigOf(layerOf(path) ?? 'src/cmd')).includes('tsconfig.node.json'),
  );
  const wrong = pure.flatMap(({ path, imports }) =>
    imports.filter((from) => from.startsWith('node:')).map((from) => `${path}: ${from}`),
  );
  expect(pure.length).toBeGreaterThan(0);
  expect(wrong).toEqual([]);
});

function findLayers(all: readonly SourceFile[]): string[] {
  const folders = new Set(all.flatMap(({ path }) => ancestors(dirname(path))));
  return [...folders]
    .filter((folder) => existsSync(join(ROOT, folder, 'tsconfig.json')))
    .sort((a, b) => b.length - a.length);
}

function ancestors(folder: string): string[] {
  return folder === 'src' || folder === '.' ? [] : [folder, ...ancestors(dirname(folder))];
}

function layerOf(path: string): string | undefined {
  return layers.find((layer) => path.startsWith(`${layer}/`));
}

function tsconfigOf(layer: string): { extends: string; references: { path: string }[] } {
  return JSON.parse(readFileSync(join(ROOT, layer, 'tsconfig.json'), 'utf8'));
}

function referencesOf(layer: string): string[] {
  return tsconfigOf(layer).references.map(({ path }) => normalize(join(layer, path)));
}

function targetOf(file: SourceFile, specifier: string): string | undefined {
  if (specifier.startsWith('#')) return `src/${specifier.slice(1)}`;
  if (specifier.startsWith('.')) return relative(ROOT, join(ROOT, dirname(file.path), specifier));
  return undefined;
}

function allowedFor(path: string): string[] {
  return Object.entries(PACKAGES).flatMap(([folder, names]) => (path.startsWith(`${folder}/`) ? names : []));
}
