/** The sockets that the process before this one listened on, as the one that starts both has kept them. */
import type { Clock } from '#base/clock.ts';
import { keepsNothing, type SocketHandle, type SocketKeeper } from '#base/socket-keeper.ts';
import type { SocketGift, SocketWish } from './supervisor/kept-sockets.ts';

/** Without an answer by then it goes on as the first one. A keeper that is only late has the ports: nobody could listen before. */
const GIVEN_WITHIN_MS = 10_000;
/** What nobody has asked for by then nobody listens on any more: until then its clients wait. */
const TAKEN_WITHIN_MS = 10_000;

/** Of a process, to the one that has started it; as `process` is. */
export interface Channel {
  connected: boolean;
  send?(wish: SocketWish, handle: unknown, options: undefined, sent: () => void): void;
  on(event: 'message', heard: (gift: SocketGift, handle: unknown) => void): unknown;
  once(event: 'disconnect', alone: () => void): unknown;
}

/** Resolves when all are here. Where nobody starts a next one, there are none. */
export async function inheritedSockets(clock: Clock, channel: Channel = process as Channel): Promise<SocketKeeper> {
  if (!channel.send) return keepsNothing;
  // Who keeps them may be gone: another would have to start this process anew before it can.
  const say = (wish: SocketWish, handle?: SocketHandle) => {
    if (channel.connected) channel.send?.(wish, handle, undefined, () => undefined);
  };
  const given = new Map<string, SocketHandle>();
  let mayBeTaken = true;
  const leave = (name: string, handle: SocketHandle) => {
    handle.close();
    say({ drop: name });
  };
  const all = new Promise<void>((resolve) => {
    const late = clock.timer(GIVEN_WITHIN_MS, resolve);
    const done = () => {
      late.cancel();
      resolve();
    };
    channel.once('disconnect', done);
    channel.on('message', (gift, handle) => {
      if ('given' in gift) done();
      else if (mayBeTaken) given.set(gift.socket, handle as SocketHandle);
      else leave(gift.socket, handle as SocketHandle);
    });
  });
  say({ give: true });
  await all;
  clock.timer(TAKEN_WITHIN_MS, () => {
    mayBeTaken = false;
    for (const [name, handle] of given) leave(name, handle);
    given.clear();
  });
  return {
    take(name) {
      const handle = given.get(name);
      given.delete(name);
      return handle;
    },
    keep: (name, handle) => say({ keep: name }, handle),
    drop: (name) => say({ drop: name }),
  };
}
