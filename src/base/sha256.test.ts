import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { sha256 } from './sha256.ts';

for (const length of [0, 1, 3, 55, 56, 63, 64, 65, 119, 120, 500])
  test(`a text of ${length} characters has the hash that the platform says`, () => {
    const text = 'aé€'.repeat(length).slice(0, length);
    expect(sha256(text)).toBe(createHash('sha256').update(text).digest('hex'));
  });
