/** One port of this machine's loopback, whose connections are carried to somewhere else, byte for byte. */
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Log } from '#base/log.ts';
import { tunnel } from '#node/kubelet/server/tunnel.ts';

export interface Destination {
  host: string;
  port: number;
}

export interface ListenerOptions {
  /** Where a connection goes; undefined: nowhere at the moment, and it is closed. */
  destination(): Destination | undefined;
  log: Log;
}

/** At a time and port: more wait in the kernel. */
const MOST_CONNECTIONS = 1_000;
const DIAL_MS = 5_000;
/** ::1 too, which clients try first for names under localhost; not where the machine has no IPv6. */
const ADDRESSES = ['127.0.0.1', '::1'];

/** A port that another program has. */
export class PortTaken extends Error {
  readonly code = 'PortTaken';
}

export class LoopbackListener {
  readonly port: number;
  readonly #options: ListenerOptions;
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();

  private constructor(port: number, options: ListenerOptions) {
    this.port = port;
    this.#options = options;
  }

  /** Throws PortTaken, or what else is wrong with it. */
  static async at(port: number, options: ListenerOptions): Promise<LoopbackListener> {
    const listener = new LoopbackListener(port, options);
    try {
      for (const host of ADDRESSES) await listener.#listen(host);
    } catch (error) {
      listener.close();
      if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE')
        throw new PortTaken(`port ${port} of this machine is in use by another program`);
      throw error;
    }
    return listener;
  }

  close(): void {
    for (const server of this.#servers) server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #listen(host: string): Promise<void> {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => void this.#carry(client));
    server.maxConnections = MOST_CONNECTIONS;
    return new Promise((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) => {
        const isAbsent = host === '::1' && ['EADDRNOTAVAIL', 'EAFNOSUPPORT'].includes(error.code ?? '');
        if (isAbsent) resolve();
        else reject(error);
      });
      server.listen({ port: this.port, host, exclusive: true }, () => {
        this.#servers.push(server);
        server.on('error', (error) =>
          this.#options.log.warn('a published port', { port: this.port, error: error.message }),
        );
        resolve();
      });
    });
  }

  async #carry(client: Socket): Promise<void> {
    const { destination, log } = this.#options;
    client.on('error', () => client.destroy());
    const to = destination();
    if (!to) {
      client.destroy();
      return;
    }
    const other = connect({ ...to, allowHalfOpen: true, noDelay: true });
    for (const socket of [client, other]) {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    }
    other.setTimeout(DIAL_MS, () => other.destroy(new Error('no answer to the dial')));
    other.once('connect', () => other.setTimeout(0));
    other.once('error', (error) =>
      log.debug('a published port leads nowhere', { port: this.port, error: error.message }),
    );
    await tunnel(client, other);
  }
}
