/** Looks at how a connection begins before anybody serves it, and gives it on as if nobody had. */
import type { Socket } from 'node:net';
import type { Clock } from '#base/clock.ts';

/** A client that says nothing for so long goes. */
const WITHIN_MS = 10_000;

/**
 * Calls `decided` once with all bytes so far, when `isEnough` says so or `most` came. The socket is as it was before: what was
 * read is there to be read again.
 */
export function peek(
  socket: Socket,
  { isEnough, most, clock }: { isEnough(bytes: Buffer): boolean; most: number; clock: Clock },
  decided: (bytes: Buffer) => void,
): void {
  let bytes: Buffer = Buffer.alloc(0);
  const timer = clock.timer(WITHIN_MS, () => socket.destroy());
  const close = () => timer.cancel();
  const look = () => {
    for (let part = socket.read() as Buffer | null; part; part = socket.read() as Buffer | null)
      bytes = bytes.length > 0 ? Buffer.concat([bytes, part]) : part;
    if (!isEnough(bytes) && bytes.length < most && !socket.readableEnded) return;
    socket.off('readable', look);
    socket.off('close', close);
    timer.cancel();
    if (bytes.length > 0) socket.unshift(bytes);
    decided(bytes);
  };
  socket.once('close', close);
  socket.on('readable', look);
}
