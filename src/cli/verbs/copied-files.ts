/** Files as a tar archive, and back. What comes out of a container is not trusted: it stays below where it was asked to go. */
import {
  createReadStream,
  createWriteStream,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  type Stats,
} from 'node:fs';
import { dirname, join, posix, relative, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import tar from 'tar-stream';
import { VerbError } from './verb-error.ts';

/** A file, or a folder with all that is in it, called `name` in the archive. Fails as a stream does. */
export function packed(path: string, name: string): NodeJS.ReadableStream {
  const archive = tar.pack();
  addTo(archive, path, name).then(
    () => archive.finalize(),
    (error: Error) => archive.destroy(error),
  );
  return archive as unknown as NodeJS.ReadableStream;
}

async function addTo(archive: tar.Pack, path: string, name: string): Promise<void> {
  const stats = lstatSync(path);
  const header = headerOf(stats, name);
  if (stats.isDirectory()) {
    const inside = readdirSync(path).sort();
    if (inside.length === 0) archive.entry({ ...header, type: 'directory' });
    for (const each of inside) await addTo(archive, join(path, each), posix.join(name, each));
  } else if (stats.isSymbolicLink()) archive.entry({ ...header, type: 'symlink', linkname: readlinkSync(path) });
  else if (stats.isFile())
    await pipeline(
      createReadStream(path, { end: Math.max(0, stats.size - 1) }),
      archive.entry({ ...header, size: stats.size }),
    );
}

const headerOf = ({ mode, mtime, uid, gid }: Stats, name: string) => ({ name, mode: mode & 0o7777, mtime, uid, gid });

export interface Unpacking {
  /** What all names begin with; it is left out. */
  prefix: string;
  into: string;
  /** As the user wrote it. */
  shown: string;
  warn(text: string): void;
}

/** Links are not made: what they lead to is not in the archive. Throws VerbError for an archive of other files. */
export async function unpack(archive: NodeJS.ReadableStream, { prefix, into, shown, warn }: Unpacking): Promise<void> {
  const entries = (archive as unknown as NodeJS.ReadableStream & AsyncIterable<Buffer>).pipe(tar.extract());
  for await (const entry of entries) {
    const { name, type, linkname } = entry.header;
    if (!name.startsWith(prefix)) throw new VerbError('tar contents corrupted');
    const inside = posix.normalize(`/${name.slice(prefix.length)}`);
    const target = resolve(into, `.${inside}`);
    const told = JSON.stringify(posix.join(shown, inside).replace(/\/$/, ''));
    if (relative(into, target).startsWith('..') || /(^|\/)\.\.(\/|$)/.test(name.slice(prefix.length)))
      warn(`warning: file ${told} is outside target destination, skipping\n`);
    else if (type === 'symlink' || type === 'link')
      warn(`warning: skipping symlink: ${told} -> ${JSON.stringify(linkname ?? '')}\n`);
    else if (type === 'directory') makeFolder(target, into);
    else {
      makeFolder(dirname(target), dirname(into));
      await pipeline(entry, createWriteStream(target));
      continue;
    }
    entry.resume();
  }
}

/** Not through a link that somebody put there. */
function makeFolder(path: string, below: string): void {
  for (let at = path; at.length > below.length; at = dirname(at))
    if (lstatSync(at, { throwIfNoEntry: false })?.isSymbolicLink()) throw new VerbError(`${at} is a symbolic link`);
  mkdirSync(path, { recursive: true });
}
