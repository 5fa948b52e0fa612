import { expect, test } from 'vitest';
import { entryOf, ownerIn } from './socket-owner.ts';

const TABLE = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1388 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 42047 1
   1: 0100007F:C350 0100007F:1388 01 00000000:00000000 00:00000000 00000000  1000        0 42048 1
   2: 0100007F:1388 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 42049 1
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
