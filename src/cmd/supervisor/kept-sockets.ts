/**
 * The sockets that a process listens on, kept for the next one that is started in its place: neither a connection nor a question
 * is refused between the two. They are opened by the process itself, in the network that it runs in; here nothing is read from
 * them. A keeper that is new has none of those that an adopted process has open.
 */
import type { ChildProcess, SendHandle } from 'node:child_process';
import type { Log } from '#base/log.ts';
import type { SocketHandle } from '#base/socket-keeper.ts';

/** What the process says of them; `keep` comes with the socket. */
export type SocketWish = { give: true } | { keep: string } | { drop: string };
/** What it is answered: each socket, and then how many there were. */
export type SocketGift = { socket: string } | { given: number };

/** More than any node has ports; each is a file of this process. */
const MOST_SOCKETS = 1_024;

export class KeptSockets {
  readonly #log: Log;
  readonly #handles = new Map<string, SocketHandle>();
  #child: ChildProcess | undefined;

  constructor(log: Log) {
    this.#log = log;
  }

  get names(): string[] {
    return [...this.#handles.keys()];
  }

  /** From now on what this process says counts, and no other. */
  serve(child: ChildProcess): void {
    this.#child = child;
    child.channel?.unref();
    child.on('message', (wish, handle) => this.#hear(child, wish as SocketWish, handle as unknown as SocketHandle));
  }

  /** Nothing listens there any more, as soon as the process has ended, too. */
  close(): void {
    this.#child = undefined;
    for (const name of this.names) this.#drop(name);
  }

  #hear(child: ChildProcess, wish: SocketWish, handle: SocketHandle | undefined): void {
    if (child !== this.#child) handle?.close();
    else if ('keep' in wish) this.#keep(wish.keep, handle);
    else if ('drop' in wish) this.#drop(wish.drop);
    else this.#giveAll(child);
  }

  #keep(name: string, handle: SocketHandle | undefined): void {
    this.#drop(name);
    if (!handle) return;
    if (this.#handles.size < MOST_SOCKETS) return void this.#handles.set(name, handle);
    this.#log.warn('a socket is not kept: there are too many', { socket: name });
    handle.close();
  }

  #drop(name: string): void {
    this.#handles.get(name)?.close();
    this.#handles.delete(name);
  }

  #giveAll(child: ChildProcess): void {
    for (const [socket, handle] of this.#handles) give(child, { socket }, handle);
    give(child, { given: this.#handles.size });
  }
}

/** One that has just ended is given nothing; the next one asks again. */
const give = (child: ChildProcess, gift: SocketGift, handle?: SocketHandle): void => {
  if (child.connected) child.send(gift, handle as SendHandle | undefined, {}, () => undefined);
};
