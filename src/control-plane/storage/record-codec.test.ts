import { expect, test } from 'vitest';
import { decodeRecord, decodeStored, encodeRecord, encodeStored } from './record-codec.ts';

const stored = { key: '/registry/pods/a/ü', value: new Uint8Array([1, 2, 3]), createRevision: 7, modRevision: 2 ** 53 };
const REVISIONS = '0000000000001c400000000000004043';

test('the layout stays as the first version of the format has it', () => {
  const key = Buffer.from(stored.key);
  expect(encodeStored(stored).toString('hex')).toBe(`${REVISIONS}010203`);
  expect(encodeRecord({ key: stored.key, before: stored }).toString('hex')).toBe(
    `1300${key.toString('hex')}${REVISIONS}010203`,
  );
  expect(encodeRecord({ key: stored.key, before: undefined }).toString('hex')).toBe(`1300${key.toString('hex')}`);
});

test('what was encoded is read again, and not read when it is about other keys', () => {
  expect(decodeStored(stored.key, encodeStored(stored))).toEqual({ ...stored, value: Buffer.from(stored.value) });
  const bytes = encodeRecord({ key: stored.key, before: stored });
  expect(decodeRecord(9, bytes, '/registry/pods/')).toMatchObject({
    revision: 9,
    key: stored.key,
    before: { createRevision: 7 },
  });
  expect(decodeRecord(9, encodeRecord({ key: stored.key, before: undefined }), '')).toEqual({
    revision: 9,
    key: stored.key,
    before: undefined,
  });
  expect(decodeRecord(9, bytes, '/registry/nodes/')).toBeUndefined();
});
