import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { expect, test, vi } from 'vitest';
import { entryOf, mapped, ownerIn, socketOwner } from './socket-owner.ts';

const TABLE = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1388 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 42047 1
   1: 0100007F:C350 0100007F:1388 01 00000000:00000000 00:00000000 00000000  1000        0 42048 1
   2: 0100007F:1388 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 42049 1
   3: 0100007F:C351 0100007F:1388 05 00000000:00000000 00:00000000 00000000     0        0 0 1
   4: 0100007F:C352 0100007F:1388 06 00000000:00000000 03:00001000 00000000     0        0 0 3
   5: 0100007F:C353 0100007F:1388 01 00000000:00000000 00:00000000 00000000     0        0 0 1
`;

test('the user of the other end is told, and not that of this end', () => {
  const theirs = entryOf('127.0.0.1', 50_000) ?? '';
  const ours = entryOf('::ffff:127.0.0.1', 5000) ?? '';
  expect([theirs, ours]).toEqual(['0100007F:C350', '0100007F:1388']);
  expect(ownerIn(TABLE, theirs, ours)).toBe(1000);
  expect(ownerIn(TABLE, ours, theirs)).toBe(0);
});

test('nobody is known of a connection that is not in the table', () => {
  expect(ownerIn(TABLE, '0100007F:0001', '0100007F:1388')).toBeUndefined();
  expect(entryOf('::1', 5000)).toBeUndefined();
});

test('what its user has closed already belongs to nobody, though the table says root', () => {
  for (const port of [50_001, 50_002, 50_003])
    expect(ownerIn(TABLE, entryOf('127.0.0.1', port) ?? '', '0100007F:1388'), String(port)).toBeUndefined();
});

test('who sends and is gone is not taken for root', async () => {
  const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [socket] = await accepted;
  try {
    expect(await socketOwner(socket)).toBe(process.getuid?.());
    client.end('DELETE /v2/web/manifests/1 HTTP/1.1\r\n\r\n');
    client.destroySoon();
    await vi.waitFor(async () => expect(await socketOwner(socket)).toBeUndefined(), { timeout: 15_000 });
  } finally {
    client.destroy();
    socket.destroy();
    server.close();
  }
});

test('who speaks by a socket of IPv6, as Java does, is known as well', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const client = connect({ port: (server.address() as AddressInfo).port, host: '::ffff:127.0.0.1' });
  const [socket] = await accepted;
  try {
    expect(readFileSync('/proc/net/tcp6', 'latin1')).toContain(
      mapped(entryOf('127.0.0.1', socket.remotePort ?? 0) ?? ''),
    );
    expect(await socketOwner(socket)).toBe(process.getuid?.());
  } finally {
    client.destroy();
    socket.destroy();
    server.close();
  }
});
