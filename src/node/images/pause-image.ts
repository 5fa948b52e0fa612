/**
 * The pause image: the process that holds a pod's namespaces. It waits for signals, reaps orphans, and leaves on INT or TERM.
 * On x86-64 it is 310 bytes of our own machine code, so that no compiler and no registry is needed; elsewhere busybox sleeps.
 */
import { makeLayer } from './layer.ts';
import type { BlobStore } from './blob-store.ts';
import { assembleImage, type Image } from './image.ts';
import { fileEntry } from './folder.ts';
import { symlink, type TarEntry } from './tar-entry.ts';

export const PAUSE_IMAGE = 'kedge.local/pause:1';

// rt_sigprocmask(BLOCK, {CHLD, INT, TERM}); loop: rt_sigtimedwait; INT, TERM: exit(0); CHLD: wait4(-1, WNOHANG) until none.
// ELF64 with one segment and no section table; made with `gcc -static -nostdlib -Os`, sections cut off.
const PAUSE_AMD64 =
  'f0VMRgIBAQAAAAAAAAAAAAIAPgABAAAAsABAAAAAAABAAAAAAAAAAAAAAAAAAAAAAAAAAEAAOAACAAAAAAAAAAEAAAAHAAAAsAAAAAAAAACwAEAAAAAA' +
  'ALAAQAAAAAAAhgAAAAAAAACGAAAAAAAAAAEAAAAAAAAAUeV0ZAYAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEAAAAAAA' +
  'AABBVTHSQboIAAAAuA4AAABBVEiJ11VTSMdEJPgCQAEATI1EJPhMicYPBUG5gAAAADH2uz0AAABIg83/Qb08AAAAQbwBAAAAQboIAAAATInITInHSInyDwVIg/gCdAZI' +
  'g/gPdQ5FMdJMiehIifdIifIPBUUx0kiJ2EiJ70yJ4g8FSIXAf+3rwA==';

/** The program itself, also used to hold a node's namespaces. undefined where there is none for this architecture. */
export const pauseProgram = (): Buffer | undefined =>
  process.arch === 'x64' ? Buffer.from(PAUSE_AMD64, 'base64') : undefined;

/** `busybox`: a static busybox of this machine, needed only where there is no program of our own. */
export async function pauseImage(store: BlobStore, busybox = '/bin/busybox'): Promise<Image> {
  const program = pauseProgram();
  const entries: TarEntry[] = program
    ? [{ path: '/pause', mode: 0o755, type: 'file', content: program }]
    : [await fileEntry('/bin/busybox', busybox), symlink('/pause', 'bin/busybox')];
  const layer = await makeLayer(store, entries);
  return assembleImage(PAUSE_IMAGE, [layer], {
    entrypoint: program ? ['/pause'] : ['/bin/busybox', 'sleep', 'infinity'],
    user: '65535:65535',
  });
}
