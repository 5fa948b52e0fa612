import { expect, test } from 'vitest';
import type { Pod } from '#api/generated/schema.ts';
import { FailureRecords } from './back-off.ts';

const job = { key: 'default/work', uid: 'first' };
const failed = { metadata: { name: 'work-1', creationTimestamp: '1970-01-01T00:00:05Z' } } as Pod;
const oneFailed = { newSucceeded: [], newFailed: [failed] };
const nothingNew = { newSucceeded: [], newFailed: [] };

test('failures of a Job add up as they are kept, until one succeeds', () => {
  const records = new FailureRecords();
  records.keep(job, records.after(job, oneFailed));
  expect(records.after(job, oneFailed)).toMatchObject({ failures: 2, lastFailureMs: 5_000 });
  expect(records.after(job, nothingNew)).toMatchObject({ failures: 1 });
  expect(records.after(job, { newSucceeded: [failed], newFailed: [] })).toMatchObject({ failures: 0 });
});

test('of a Job that is gone nothing is kept, and one made anew under its name begins without failures', () => {
  const records = new FailureRecords();
  records.keep(job, records.after(job, oneFailed));
  expect(records.after({ ...job, uid: 'second' }, nothingNew)).toMatchObject({ failures: 0 });
  expect(records.size).toBe(1);
  records.forget(job.key);
  expect(records.size).toBe(0);
});
