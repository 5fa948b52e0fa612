import { expect, test } from 'vitest';
import { PlainSignal } from '#base/plain-signal.ts';
import type { Connections } from './connections.ts';
import { callRemote, watchRemote } from './in-process-proxy.ts';
import type { RemoteApi } from './remote-api.ts';

const remote = { name: 'v1.w.io', group: 'w.io', version: 'v1', isAvailable: true } as RemoteApi;
const call = { method: 'GET', path: '/apis/w.io/v1/things', user: { name: 'jane', groups: [] } };
const unreachable = {
  addressOf: () => Promise.resolve({ host: '192.0.2.1', port: 443 }),
  open: () => Promise.resolve({ problem: 'refused' }),
} as unknown as Connections;

class CountedSignal extends PlainSignal {
  listeners = 0;
  override addEventListener(type: 'abort', listener: () => void): void {
    this.listeners++;
    super.addEventListener(type, listener);
  }
  override removeEventListener(type: 'abort', listener: () => void): void {
    this.listeners--;
    super.removeEventListener(type, listener);
  }
}

test('requests leave nothing behind at a signal that outlives them, as that of informers does', async () => {
  const signal = new CountedSignal();
  const refused = 'error trying to reach service: refused';
  await expect(callRemote(remote, { ...call, signal }, unreachable)).rejects.toThrow(refused);
  await expect(watchRemote(remote, { ...call, signal }, unreachable).next()).rejects.toThrow(refused);
  expect(signal.listeners).toBe(0);
});
