/**
 * The sockets that the processes of an Ingress listen on. They are opened by the one that starts those, which takes no connection
 * itself: so they outlive each of them, and where there is a keeper the starter as well.
 */
import net, { isIPv6 } from 'node:net';
import { getSystemErrorName } from 'node:util';
import { type SocketHandle, type SocketKeeper, socketName } from '#base/socket-keeper.ts';

export interface ListeningAt {
  host: string;
  port: number;
}

export class ListeningSockets {
  readonly #keeper: SocketKeeper;
  readonly #open = new Map<string, { port: number; handle: SocketHandle }>();

  constructor(keeper: SocketKeeper) {
    this.#keeper = keeper;
  }

  /** Throws what the system says against it. */
  at({ host, port }: ListeningAt): SocketHandle {
    const name = socketName('tcp', host, port);
    const known = this.#open.get(name)?.handle;
    if (known) return known;
    const former = this.#keeper.take(name);
    const handle = former ?? boundSocket(host, port);
    this.#open.set(name, { port, handle });
    if (!former) this.#keeper.keep(name, handle);
    return handle;
  }

  /** Nobody is to listen there any more; those who do have sockets of their own, and close them. */
  close(port: number): void {
    for (const [name, socket] of this.#open) {
      if (socket.port !== port) continue;
      this.#open.delete(name);
      this.#keeper.drop(name);
      socket.handle.close();
    }
  }
}

interface BoundHandle extends SocketHandle {
  getsockname(found: object): number;
}
type CreateHandle = (host: string, port: number, family: 4 | 6, fd: undefined, flags: number) => BoundHandle | number;

/**
 * `listen` would take connections as well: a socket that is only bound has no public name. It is made as `node:cluster` makes
 * those that its processes share.
 */
function boundSocket(host: string, port: number): SocketHandle {
  const { _createServerHandle: create } = net as unknown as { _createServerHandle: CreateHandle };
  const handle = create(host, port, isIPv6(host) ? 6 : 4, undefined, 0);
  if (typeof handle === 'number') throw refused(handle, { host, port });
  const error = handle.getsockname({}); // only now it is told that somebody else has the port
  if (error === 0) return handle;
  handle.close();
  throw refused(error, { host, port });
}

const refused = (error: number, { host, port }: ListeningAt): Error => {
  const code = getSystemErrorName(error);
  return Object.assign(new Error(`${code}: ${host}, port ${port}`), { code });
};
