/** The sockets that the process before this one listened on, as the one that starts both has kept them. */
import type { SendHandle } from 'node:child_process';
import type { Clock } from '#base/clock.ts';
import { keepsNothing, type SocketHandle, type SocketKeeper } from '#base/socket-keeper.ts';
import type { SocketGift, SocketWish } from './supervisor/kept-sockets.ts';

/** Without an answer by then it goes on as the first one. */
const GIVEN_WITHIN_MS = 2_000;
/** What nobody has asked for by then nobody listens on any more: until then its clients wait. */
const TAKEN_WITHIN_MS = 10_000;

/** Resolves when all are here. Where nobody starts a next one, there are none. */
export async function inheritedSockets(clock: Clock): Promise<SocketKeeper> {
  if (!process.send) return keepsNothing;
  const given = new Map<string, SocketHandle>();
  const all = new Promise<void>((resolve) => {
    clock.timer(GIVEN_WITHIN_MS, resolve);
    process.once('disconnect', resolve);
    process.on('message', (gift: SocketGift, handle: unknown) => {
      if ('given' in gift) resolve();
      else given.set(gift.socket, handle as SocketHandle);
    });
  });
  say({ give: true });
  await all;
  const drop = (name: string) => {
    given.get(name)?.close();
    given.delete(name);
    say({ drop: name });
  };
  clock.timer(TAKEN_WITHIN_MS, () => {
    for (const name of [...given.keys()]) drop(name);
  });
  return {
    take(name) {
      const handle = given.get(name);
      given.delete(name);
      return handle;
    },
    keep: (name, handle) => say({ keep: name }, handle),
    drop,
  };
}

/** Who keeps them may be gone: another would have to start this process anew before it can. */
const say = (wish: SocketWish, handle?: SocketHandle): void => {
  if (process.connected) process.send?.(wish, handle as unknown as SendHandle, undefined, () => undefined);
};
