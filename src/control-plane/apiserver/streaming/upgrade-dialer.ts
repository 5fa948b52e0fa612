/**
 * Connections for upgrades. Each is a new one, for an upgrade uses it up; but what certificates and keys say is read once,
 * and a server that was checked is known again by the session it gave. Source: RFC 8446, 2.2 and C.4.
 */
import { connect as connectPlain } from 'node:net';
import type { Duplex } from 'node:stream';
import {
  type ConnectionOptions,
  connect as connectTls,
  createSecureContext,
  type SecureContext,
  type TLSSocket,
} from 'node:tls';
import type { Clock } from '#base/clock.ts';
import { dialFailed } from '../registry/node-address.ts';
import { tlsOver } from '../tunnels/tunnel-agents.ts';
import type { Way } from '../tunnels/tunnels.ts';
import type { Forward } from './forward.ts';
import type { KubeletCredentials } from './forwarder.ts';

/** A node that does not answer the dial is told of soon enough for `kubectl exec` to say so. */
const DIAL_TIMEOUT_MS = 30_000;
const SESSIONS_KEPT = 1000;

export interface UpgradeDialerOptions {
  kubelet: KubeletCredentials;
  clock: Clock;
  /** undefined: it is dialled directly. */
  wayTo(target: Forward): Way | undefined;
}

export class UpgradeDialer {
  readonly #options: UpgradeDialerOptions;
  #kubeletContext: SecureContext | undefined;
  /** Of kubelets, the newest last. */
  readonly #sessions = new Map<string, Buffer>();

  constructor(options: UpgradeDialerOptions) {
    this.#options = options;
  }

  /** Throws InternalError. */
  async dial(target: Forward): Promise<Duplex> {
    const { host, port } = target;
    const through = await this.#options
      .wayTo(target)?.()
      .catch((error: Error) => {
        throw dialFailed({ host, port }, error);
      });
    if (through && target.security === 'plain') return through;
    return this.#connected(target, through);
  }

  #connected(target: Forward, through: Duplex | undefined): Promise<Duplex> {
    const { host, port } = target;
    return new Promise((resolve, reject) => {
      const isPlain = target.security === 'plain';
      const other = isPlain ? connectPlain({ host, port }) : this.#secured(target, through);
      other.once(isPlain ? 'connect' : 'secureConnect', () => connected());
      const timer = this.#options.clock.timer(DIAL_TIMEOUT_MS, () => other.destroy(new Error('dial timed out')));
      const failed = (error: Error) => {
        timer.cancel();
        reject(dialFailed({ host, port }, error));
      };
      const connected = () => {
        timer.cancel();
        other.off('error', failed);
        other.setNoDelay(true);
        resolve(other);
      };
      other.once('error', failed);
    });
  }

  #secured(target: Forward, through: Duplex | undefined): TLSSocket {
    const { host, port, security, serverName } = target;
    const name = serverName ? { servername: serverName } : {};
    const open = (options: ConnectionOptions) =>
      through ? tlsOver(through, options) : connectTls({ host, port, ...options });
    if (security !== 'kubelet') return open({ rejectUnauthorized: false, ...name });
    const key = JSON.stringify([host, port, serverName]); // a session stands for a check of this very name
    const session = this.#sessions.get(key);
    const socket = open({ secureContext: this.#contextOfKubelets(), ...name, ...(session && { session }) });
    socket.on('session', (next: Buffer) => this.#keep(key, next));
    socket.once('error', () => this.#sessions.delete(key));
    return socket;
  }

  #keep(key: string, session: Buffer): void {
    this.#sessions.delete(key);
    this.#sessions.set(key, session);
    const [oldest] = this.#sessions.keys();
    if (this.#sessions.size > SESSIONS_KEPT && oldest !== undefined) this.#sessions.delete(oldest);
  }

  #contextOfKubelets(): SecureContext {
    const { certificate, key, ca } = this.#options.kubelet;
    this.#kubeletContext ??= createSecureContext({ cert: certificate, key, ca });
    return this.#kubeletContext;
  }
}
