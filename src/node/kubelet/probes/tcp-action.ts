/** Whether somebody listens. */
import { connect } from 'node:net';
import type { Clock } from '#base/clock.ts';
import { ActionFailed } from './http-action.ts';
import { networkErrorText } from './network-error.ts';

/** @throws ActionFailed */
export function tcpConnect(
  { host, port }: { host: string; port: number },
  { clock, timeoutMs }: { clock: Clock; timeoutMs: number },
): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    const timer = clock.timer(timeoutMs, () => {
      reject(new ActionFailed(`dial tcp ${host.includes(':') ? `[${host}]` : host}:${port}: i/o timeout`));
      socket.destroy();
    });
    socket.once('connect', () => {
      resolve();
      socket.destroy();
    });
    socket.once('error', (error) => reject(new ActionFailed(networkErrorText(error, { host, port }))));
    socket.once('close', () => timer.cancel());
  });
}
