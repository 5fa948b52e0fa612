import { expect, test } from 'vitest';
import type { Service } from '#api/generated/schema.ts';
import { addressFor } from './address-pool.ts';

const wishing = (loadBalancerIP: string) => ({ metadata: { name: 'web' }, spec: { loadBalancerIP } }) as Service;
const POOL = 'fd00:1::/112';

test('an address that is taken is not to be had by writing it in another way', () => {
  const taken = new Set(['fd00:1::1']);
  for (const wish of ['fd00:1::1', 'FD00:1:0::1', 'fd00:0001:0:0:0:0:0:1'])
    expect(() => addressFor(wishing(wish), POOL, taken)).toThrow('the address fd00:1::1 is taken');
  expect(() => addressFor(wishing('FD00:1:0::'), POOL, taken)).toThrow('is the first or the last of the pool');
  expect(addressFor(wishing('FD00:1:0::5'), POOL, taken)).toBe('fd00:1::5');
});
