import { expect, test } from 'vitest';
import { traceText } from './trace-text.ts';

test('what containers say does not command the terminal, nor look like a line of the trace', () => {
  const why = 'the readiness probe fails: \x1b[2J\x1b]0;owned\x07 gone\r\n✓ request  was sent, and answered 200';
  const text = traceText({
    url: 'http://web/',
    from: 'this machine',
    hops: [{ at: 'pod', state: 'breaks', says: 'pod shop/web', why }],
    isBroken: true,
  });
  expect(text.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
  expect(text.split('\n').filter((line) => line.startsWith('✓'))).toEqual([]);
  expect(text).toContain('the readiness probe fails: ^[[2J^[]0;owned  gone  ✓ request  was sent, and answered 200');
});
