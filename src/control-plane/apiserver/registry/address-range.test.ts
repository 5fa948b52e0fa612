import { expect, test } from 'vitest';
import { seededRandom } from '#base/random.ts';
import { addressRange, candidates } from './address-range.ts';

test('a range gives out neither its network nor, in IPv4, its broadcast address', () => {
  const range = addressRange('10.96.0.0/29');
  expect(range.size).toBe(6n);
  expect([range.at(0n), range.at(5n)]).toEqual(['10.96.0.1', '10.96.0.6']);
  expect(['10.96.0.0', '10.96.0.1', '10.96.0.6', '10.96.0.7', '10.96.0.8', 'x'].map(range.contains)).toEqual([
    false,
    true,
    true,
    false,
    false,
    false,
  ]);
});

test('an IPv6 range is as large as it is written', () => {
  const range = addressRange('fd00:10:96::/112');
  expect(range.size).toBe(65_535n);
  expect(range.at(range.size - 1n)).toBe('fd00:10:96::ffff');
  expect(range.contains('fd00:10:96::ffff')).toBe(true);
});

for (const size of [1n, 6n, 33n, 254n, 1000n]) {
  test(`each of ${size} places is tried once, those that people choose from last`, () => {
    const tried = [...candidates(size, seededRandom(3))];
    expect(new Set(tried).size).toBe(Number(size));
    const band = size / 16n > 16n ? size / 16n : 16n;
    if (size > band * 2n) expect(tried.slice(-Number(band)).every((index) => index < band)).toBe(true);
  });
}

test('a range too large to walk is not walked', () => {
  const [first] = candidates(1n << 64n, seededRandom(1));
  expect(first).toBeLessThan(1n << 64n);
});

test('what is no range is told', () => {
  expect(() => addressRange('10.96.0.0')).toThrow('10.96.0.0 is not an address range');
});
