/**
 * Requests to another API server that change the protocol of their connection (exec, watches as WebSocket): joined with it
 * byte for byte once it has agreed. Source: apimachinery, util/proxy, UpgradeAwareHandler; texts as there.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { connect, type TLSSocket } from 'node:tls';
import { serviceUnavailable } from '#api/machinery/status.ts';
import type { Clock } from '#base/clock.ts';
import type { UserInfo } from '#client/transport.ts';
import { dialProblem } from '../admission/webhooks/webhook-client.ts';
import { headOf } from '../streaming/upgrade-head.ts';
import type { Address, Connections } from './connections.ts';
import { frontProxyHeaders } from './front-proxy-headers.ts';
import { refuseDotSegments, UNAVAILABLE } from './proxy.ts';
import type { RemoteApi } from './remote-api.ts';

export interface Upgrade {
  request: IncomingMessage;
  socket: Duplex;
  head: Buffer;
  user: UserInfo;
}

const DIAL_TIMEOUT_MS = 30_000;
const MAX_HEAD_BYTES = 64 * 1024;
const END_OF_HEAD = '\r\n\r\n';

/** Throws ServiceUnavailable until the other side has agreed; resolves when either has closed. */
export async function upgradeTo(
  remote: RemoteApi,
  { request, socket, head, user }: Upgrade,
  { connections, clock }: { connections: Connections; clock: Clock },
): Promise<void> {
  const path = request.url ?? '/';
  refuseDotSegments(path);
  if (!remote.isAvailable) throw serviceUnavailable(UNAVAILABLE);
  const address = await connections.addressOf(remote);
  if ('problem' in address) throw serviceUnavailable(UNAVAILABLE);
  const other = await dial(remote, address, { connections, clock });
  const asked = headOf(request, { ...address, path, security: 'unverified', mode: 'upgrade' }, frontProxyHeaders(user));
  other.write(asked, 'latin1');
  if (head.length > 0) other.write(head);
  const answered = await headFrom(other);
  const code = Number(/^HTTP\/1\.\d (\d{3})/.exec(answered.toString('latin1'))?.[1] ?? 0);
  if (code !== 101 && code < 400) {
    other.destroy();
    throw serviceUnavailable(`invalid upgrade response: status code ${code}`);
  }
  socket.write(answered);
  await joined(socket, other);
}

function dial(
  remote: RemoteApi,
  address: Address,
  { connections, clock }: { connections: Connections; clock: Clock },
): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error) => {
      timer.cancel();
      reject(serviceUnavailable(dialProblem(error, address)));
    };
    const other = connect({ ...address, ...connections.tlsOptions(remote) }, () => {
      timer.cancel();
      other.off('error', failed);
      other.setNoDelay(true);
      resolve(other);
    });
    const timer = clock.timer(DIAL_TIMEOUT_MS, () => other.destroy(new Error('i/o timeout')));
    other.once('error', failed);
  });
}

/** With whatever came right behind it. */
function headFrom(other: TLSSocket): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let read = Buffer.alloc(0);
    const done = (error?: Error) => {
      other.off('data', take).off('close', closed).off('error', closed);
      if (error) {
        other.destroy();
        reject(error);
        return;
      }
      other.pause();
      resolve(read);
    };
    const closed = () => done(serviceUnavailable('unexpected EOF'));
    const take = (chunk: Buffer) => {
      read = Buffer.concat([read, chunk]);
      if (read.includes(END_OF_HEAD)) done();
      else if (read.length > MAX_HEAD_BYTES) done(serviceUnavailable('the head of the answer is too long'));
    };
    other.on('data', take).on('close', closed).on('error', closed);
  });
}

function joined(client: Duplex, other: TLSSocket): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      client.destroy();
      other.destroy();
      resolve();
    };
    client.pipe(other);
    other.pipe(client);
    other.once('error', end);
    other.once('close', () => (client.writableLength > 0 && !client.destroyed ? client.end(end) : end()));
    client.once('error', end);
    client.once('close', end);
  });
}
