import { expect, test } from 'vitest';
import { hasReason, StatusError, type StatusReason } from './status.ts';

const answered = (code: number, reason?: string) =>
  StatusError.from({ kind: 'Status', code, ...(reason !== undefined && { reason: reason as StatusReason }) });

test.each<[number, string | undefined, StatusReason, boolean]>([
  [404, undefined, 'NotFound', true],
  [404, '', 'NotFound', true],
  [404, 'OfAnotherServer', 'NotFound', true],
  [404, 'Forbidden', 'NotFound', false],
  [409, undefined, 'Conflict', true],
  [409, undefined, 'AlreadyExists', false],
  [410, undefined, 'Gone', true],
  [410, undefined, 'Expired', false],
  [500, undefined, 'InternalError', false],
  [503, undefined, 'ServiceUnavailable', false],
])('a Status of %i with the reason %j is %s: %j', (code, reason, asked, expected) => {
  expect(hasReason(answered(code, reason), asked)).toBe(expected);
});

test('a Status without a reason has none, and what is no Status that of its code', () => {
  expect(answered(404).reason).toBe('');
  expect(StatusError.from({ code: 404, message: 'page not found' }).reason).toBe('NotFound');
});
