import { expect, test } from 'vitest';
import { warningHeaders } from './warning-header.ts';

test('each text once, quoted, without what a header must not hold', () => {
  expect(warningHeaders(['a "b" \\c\r\nX: y', 'again', 'again'])).toEqual([
    '299 - "a \\"b\\" \\\\c  X: y"',
    '299 - "again"',
  ]);
});

test('text outside Latin-1 goes as its bytes', () => {
  const [header] = warningHeaders(['größe ✓']);
  expect(Buffer.from(header!, 'latin1').toString()).toBe('299 - "größe ✓"');
});

test('too much is cut, then left out', () => {
  const texts = Array.from({ length: 40 }, (_, i) => `${i} ${'x'.repeat(1000)}`);
  const headers = warningHeaders(texts);
  expect(headers).toHaveLength(16);
  expect(headers[0]).toHaveLength('299 - ""'.length + 256);
});
