import { expect, test } from 'vitest';
import { isInRange } from './ip.ts';

test.each([
  ['10.0.0.0/8', '10.255.0.1', true],
  ['10.0.0.0/8', '11.0.0.1', false],
  ['192.0.2.8/29', '192.0.2.16', false],
  ['fd00::/64', 'fd00::1', true],
  ['0.0.0.0/0', 'fd00::1', false],
  ['no range', '10.0.0.1', false],
  ['10.0.0.0/8', 'no address', false],
])('%s has the address %s: %s', (range, ip, isIn) => expect(isInRange(range, ip)).toBe(isIn));
