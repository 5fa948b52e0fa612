#!/usr/bin/env node
// Writes THIRD-PARTY-NOTICES: every package that is shipped with Kedge, its version, licence and licence text.
// `--check` only says whether the file is up to date.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const FILE = join(ROOT, 'THIRD-PARTY-NOTICES');
const LICENCE_FILE = /^(licen[cs]e|copying|notice)([.-].*)?$/i;
// Only these parts of development packages end up in what is shipped: types and facts of the API, and its documentation.
const DATA_SOURCES = ['kubernetes-models'];

const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'));
const shipped = Object.entries(packages)
  .filter(
    ([path, entry]) =>
      path &&
      ((!entry.dev && !entry.optional && !entry.devOptional) ||
        DATA_SOURCES.includes(path.replace('node_modules/', ''))),
  )
  .map(([path, entry]) => ({ name: path.split('node_modules/').at(-1), path, ...entry }))
  .sort((a, b) => (a.name < b.name ? -1 : 1));

const sections = shipped.map(({ name, version, license, path }) => {
  const folder = join(ROOT, path);
  const files = existsSync(folder)
    ? readdirSync(folder)
        .filter((file) => LICENCE_FILE.test(file))
        .sort()
    : [];
  const texts = files.map((file) => readFileSync(join(folder, file), 'utf8').trim());
  return [`${name} ${version}`, `Licence: ${license ?? 'see its text'}`, '', ...texts].join('\n');
});
const text = `Kedge is shipped with, or made from data of, the packages below.\n\n${sections.join(`\n\n${'-'.repeat(80)}\n\n`)}\n`;

if (process.argv.includes('--check')) {
  if (!existsSync(FILE) || readFileSync(FILE, 'utf8') !== text) {
    console.error('THIRD-PARTY-NOTICES is out of date: run `node tools/notices.mjs`');
    process.exit(1);
  }
} else {
  writeFileSync(FILE, text);
  console.log(`${shipped.length} packages`);
}
