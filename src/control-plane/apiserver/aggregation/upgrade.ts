/**
 * Requests to another API server that change the protocol of their connection (exec, watches as WebSocket): joined with it
 * byte for byte once it has agreed. Source: apimachinery, util/proxy, UpgradeAwareHandler; texts as there.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { connect, type TLSSocket } from 'node:tls';
import type { Clock } from '#base/clock.ts';
import type { UserInfo } from '#client/transport.ts';
import { dialProblem } from '../remote/dial-problem.ts';
import { tlsOver } from '../tunnels/tunnel-agents.ts';
import { joined, passRefusal, type UpgradeAnswer, upgradeAnswer } from '../streaming/upgrade-answer.ts';
import { headOf } from '../streaming/upgrade-head.ts';
import type { Address, Connections, Problem } from './connections.ts';
import { frontProxyHeaders } from './front-proxy-headers.ts';
import { refuseDotSegments, UNAVAILABLE } from './proxy.ts';
import type { RemoteApi } from './remote-api.ts';

export interface Upgrade {
  request: IncomingMessage;
  socket: Duplex;
  head: Buffer;
  user: UserInfo;
  auditId: string;
}

const DIAL_TIMEOUT_MS = 30_000;

/** Resolves when either side has closed, with the code that the client was answered. Throws NotFound as `proxyTo`. */
export async function upgradeTo(
  remote: RemoteApi,
  { request, socket, head, user, auditId }: Upgrade,
  { connections, clock }: { connections: Connections; clock: Clock },
): Promise<number> {
  const path = request.url ?? '/';
  refuseDotSegments(path);
  if (!remote.isAvailable) return refuse(socket, UNAVAILABLE);
  const address = await connections.addressOf(remote);
  if ('problem' in address) return refuse(socket, UNAVAILABLE);
  const target = { ...address, path, security: 'unverified', mode: 'upgrade' } as const;
  const asked = headOf(request, target, [...frontProxyHeaders(user), ['Audit-Id', auditId]]);
  const agreed = await ask(remote, { address, asked }, { connections, clock });
  if ('problem' in agreed) return refuse(socket, `error trying to reach service: ${agreed.problem}`);
  const { other, answer } = agreed;
  if (answer.code >= 400) {
    await passRefusal(socket, other, answer, clock);
    return answer.code;
  }
  socket.write(answer.bytes);
  if (head.length > 0) other.write(head);
  await joined(socket, other);
  return answer.code;
}

/** The answer is a refusal or that it agrees. */
async function ask(
  remote: RemoteApi,
  { address, asked }: { address: Address; asked: string },
  services: { connections: Connections; clock: Clock },
): Promise<{ other: TLSSocket; answer: UpgradeAnswer } | Problem> {
  try {
    const other = await dial(remote, address, services);
    other.write(asked, 'latin1');
    const answer = await upgradeAnswer(other, (why) => new Error(why));
    if (answer.code === 101 || answer.code >= 400) return { other, answer };
    other.destroy();
    return { problem: `invalid upgrade response: status code ${answer.code}` };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return { problem: error.message };
  }
}

function refuse(socket: Duplex, text: string): number {
  const body = `${text}\n`;
  const head = [
    'HTTP/1.1 503 Service Unavailable',
    'Content-Type: text/plain; charset=utf-8',
    'X-Content-Type-Options: nosniff',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
  return 503;
}

async function dial(
  remote: RemoteApi,
  address: Address,
  { connections, clock }: { connections: Connections; clock: Clock },
): Promise<TLSSocket> {
  const { way, ...direct } = address;
  const through = await way?.().catch((error: Error) => {
    throw new Error(dialProblem(error, address));
  });
  return new Promise((resolve, reject) => {
    const failed = (error: Error) => {
      timer.cancel();
      reject(new Error(dialProblem(error, address)));
    };
    const options = connections.tlsOptions(remote);
    const other = through ? tlsOver(through, options) : connect({ ...direct, ...options });
    other.once('secureConnect', () => {
      timer.cancel();
      other.off('error', failed);
      other.setNoDelay(true);
      resolve(other);
    });
    const timer = clock.timer(DIAL_TIMEOUT_MS, () => other.destroy(new Error('i/o timeout')));
    other.once('error', failed);
  });
}
