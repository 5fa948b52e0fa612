import { expect, test } from 'vitest';
import { parseCidr, parseIp, rangeContains } from '#api/machinery/ip.ts';
import { addressOf } from './simulated-node.ts';

test('no address of a simulated node is one that somebody on the internet may have', () => {
  const reserved = parseCidr('198.18.0.0/15')!; // RFC 2544
  const indexes = [0, 1, 255, 256, 10_000, 16_383];
  expect(indexes.filter((index) => !rangeContains(reserved, parseIp(addressOf(index))!))).toEqual([]);
  expect(new Set(indexes.map(addressOf)).size).toBe(indexes.length);
});
