/** Which user of this machine has the other end of a connection over loopback. Source: proc(5), /proc/net/tcp. */
import { readFile } from 'node:fs/promises';
import { endianness } from 'node:os';
import type { Socket } from 'node:net';

/** A table that changes while it is read may leave an entry out: it is looked at so often before nobody is found. */
const LOOKS = 3;

/** A user's number; undefined: the other end is not on this machine, or cannot be told. */
export async function socketOwner({ remoteAddress, remotePort, localAddress, localPort }: Socket) {
  if (!remoteAddress || !remotePort || !localAddress || !localPort) return undefined;
  const theirs = entryOf(remoteAddress, remotePort);
  const ours = entryOf(localAddress, localPort);
  if (!theirs || !ours) return undefined;
  for (let look = 0; look < LOOKS; look++) {
    const owner =
      ownerIn(await tableIn('/proc/net/tcp'), theirs, ours) ??
      // Programs that have sockets of IPv6 alone, Java's above all, speak IPv4 with them.
      ownerIn(await tableIn('/proc/net/tcp6'), mapped(theirs), mapped(ours));
    if (owner !== undefined) return owner;
  }
  return undefined;
}

/** Another system than Linux, or a kernel without IPv6: nobody is known. */
const tableIn = (path: string): Promise<string> => readFile(path, 'latin1').catch(() => '');

const ESTABLISHED = '01';

/** Of an open connection only: of one that its user has closed, or that has no process any more, the table says root. */
export function ownerIn(table: string, local: string, remote: string): number | undefined {
  for (const line of table.split('\n')) {
    const [, from, to, state, , , , owner, , inode] = line.trim().split(/\s+/);
    if (from !== local || to !== remote) continue;
    return state === ESTABLISHED && inode !== '0' ? Number(owner) : undefined;
  }
  return undefined;
}

/** `127.0.0.1:5000` → `0100007F:1388`: a word as it lies in memory. IPv4 only, which is all that is listened on. */
export function entryOf(address: string, port: number): string | undefined {
  const bytes = address.replace(/^::ffff:/, '').split('.');
  if (bytes.length !== 4) return undefined;
  const ordered = endianness() === 'LE' ? bytes.reverse() : bytes;
  const word = ordered.map((byte) => Number(byte).toString(16).padStart(2, '0')).join('');
  return `${word}:${port.toString(16).padStart(4, '0')}`.toUpperCase();
}

/** The same of a socket of IPv6: `::ffff:127.0.0.1`, in words as they lie in memory. */
export const mapped = (entry: string): string =>
  `${'0'.repeat(16)}${endianness() === 'LE' ? 'FFFF0000' : '0000FFFF'}${entry}`;
