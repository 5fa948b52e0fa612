/**
 * Keeps a connection open from this node to the API server, over which it reaches the node's pods and kubelet where it has no
 * route to them. Opened anew, later and later, when it is gone.
 */
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { type Clock, sleep } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Random } from '#base/random.ts';
import { serveTunnel, type TunnelTargets } from './tunnel-server.ts';

export interface TunnelOptions {
  nodeName: string;
  targets: TunnelTargets;
  /** Asked for at each connection: certificates are renewed. */
  endpoint(): { host: string; port: number } & ConnectionOptions;
  clock: Clock;
  random: Random;
  log: Log;
  signal: AbortSignal;
}

const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 30_000;
/** A connection that lasted so long was a good one. */
const GOOD_MS = 10_000;
const HANDSHAKE_MS = 15_000;
const MOST_HEAD_BYTES = 16_384;

/** Resolves when the signal has aborted. */
export async function keepTunnel(options: TunnelOptions): Promise<void> {
  const { clock, random, log, signal, targets } = options;
  for (let retryMs = FIRST_RETRY_MS; !signal.aborted; ) {
    const beganMs = clock.monotonicMs();
    try {
      const socket = await upgraded(options);
      log.info('the tunnel to the API server is open');
      const stop = () => socket.destroy();
      signal.addEventListener('abort', stop, { once: true });
      await serveTunnel(socket, { targets, clock });
      signal.removeEventListener('abort', stop);
      socket.destroy();
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      if (!signal.aborted) log.warn('the tunnel to the API server could not be opened', { error: error.message });
    }
    if (clock.monotonicMs() - beganMs > GOOD_MS) retryMs = FIRST_RETRY_MS;
    await sleep(clock, retryMs * (0.5 + random.next() / 2), signal).catch(() => undefined); // told to end
    retryMs = Math.min(retryMs * 2, LONGEST_RETRY_MS);
  }
}

/** Throws when the API server does not agree. */
function upgraded({ nodeName, endpoint, clock, signal }: TunnelOptions): Promise<TLSSocket> {
  const { host, port, ...trust } = endpoint();
  const socket = connect({ ...trust, host, port, ALPNProtocols: ['http/1.1'] });
  const path = `/api/v1/nodes/${encodeURIComponent(nodeName)}/tunnel`;
  return new Promise((resolve, reject) => {
    let head = Buffer.alloc(0);
    const failed = (why: Error) => {
      stop();
      socket.on('error', () => undefined);
      socket.destroy();
      reject(why);
    };
    const closed = () => failed(new Error('the API server closed the connection'));
    const told = () => failed(new Error('told to end'));
    const timer = clock.timer(HANDSHAKE_MS, () => failed(new Error('the API server did not answer')));
    const take = (chunk: Buffer) => {
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf('\r\n\r\n');
      if (end < 0)
        return head.length > MOST_HEAD_BYTES ? failed(new Error('the head of the answer is too long')) : undefined;
      const [status = ''] = head.toString('latin1', 0, end).split('\r\n');
      if (!/^HTTP\/1\.1 101 /.test(status)) return failed(new Error(`the API server says: ${status}`));
      stop();
      socket.pause();
      const rest = head.subarray(end + 4);
      if (rest.length > 0) socket.unshift(rest);
      resolve(socket);
    };
    const stop = () => {
      timer.cancel();
      signal.removeEventListener('abort', told);
      socket.off('data', take).off('close', closed).off('error', failed);
    };
    signal.addEventListener('abort', told, { once: true });
    socket.on('error', failed).on('close', closed).on('data', take);
    socket.once('secureConnect', () => {
      const lines = [`POST ${path} HTTP/1.1`, `Host: ${host}:${port}`, 'Connection: Upgrade', 'Upgrade: kedge-tunnel'];
      socket.write(`${lines.join('\r\n')}\r\nContent-Length: 0\r\n\r\n`);
    });
  });
}
