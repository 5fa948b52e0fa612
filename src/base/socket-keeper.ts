/** Sockets that stay open when the process that opened them is killed: what arrives until the next one runs waits in them. */
export interface SocketKeeper {
  /** What the process before this one listened on under that name; once, and it stays kept. */
  take(name: string): SocketHandle | undefined;
  keep(name: string, handle: SocketHandle): void;
  /** Nobody is to listen there any more. */
  drop(name: string): void;
}

/** The engine's own, of a socket that is bound; where it is only kept, nothing is read from it. */
export interface SocketHandle {
  close(): void;
}

export const socketName = (protocol: 'tcp' | 'udp', address: string, port: number): string =>
  `${protocol} ${address} ${port}`;

const nothing = () => undefined;

/** For those that nobody starts again. */
export const keepsNothing: SocketKeeper = { take: nothing, keep: nothing, drop: nothing };
