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
import { joined, passRefusal, upgradeAnswer } from '../streaming/upgrade-answer.ts';
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
  const answer = await upgradeAnswer(other, serviceUnavailable);
  if (answer.code >= 400) return passRefusal(socket, other, answer, clock);
  if (answer.code !== 101) {
    other.destroy();
    throw serviceUnavailable(`invalid upgrade response: status code ${answer.code}`);
  }
  socket.write(answer.bytes);
  if (head.length > 0) other.write(head);
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
