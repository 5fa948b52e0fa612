/** How the LMDB backend lays out its values. Part of the data format: a change here needs a new format version. */
import type { LogRecord } from './backend.ts';
import type { Revision, Stored } from './storage.ts';

const REVISIONS = 16; // create and mod revision, each a little-endian double: exact up to 2^53

/** create revision, mod revision, value. */
export function encodeStored(stored: Stored): Buffer {
  const bytes = Buffer.allocUnsafe(REVISIONS + stored.value.length);
  writeStored(stored, bytes, 0);
  return bytes;
}

function writeStored({ createRevision, modRevision, value }: Stored, bytes: Buffer, offset: number): void {
  bytes.writeDoubleLE(createRevision, offset);
  bytes.writeDoubleLE(modRevision, offset + 8);
  bytes.set(value, offset + REVISIONS);
}

/** The value is a copy: `bytes` may be reused by its owner. */
export function decodeStored(key: string, bytes: Buffer): Stored {
  const value = Buffer.allocUnsafeSlow(bytes.length - REVISIONS);
  bytes.copy(value, 0, REVISIONS);
  return { key, value, createRevision: bytes.readDoubleLE(0), modRevision: bytes.readDoubleLE(8) };
}

/** length of the key (2 bytes), key, and what stood there before, if anything did. */
export function encodeRecord({ key, before }: Omit<LogRecord, 'revision'>): Buffer {
  const length = Buffer.byteLength(key);
  const end = 2 + length;
  const bytes = Buffer.allocUnsafe(before ? end + REVISIONS + before.value.length : end);
  bytes.writeUInt16LE(length, 0);
  bytes.write(key, 2);
  if (before) writeStored(before, bytes, end);
  return bytes;
}

/** undefined when its key is not under `prefix`: then nothing is copied. */
export function decodeRecord(revision: Revision, bytes: Buffer, prefix: string): LogRecord | undefined {
  const end = 2 + bytes.readUInt16LE(0);
  const key = bytes.toString('utf8', 2, end);
  if (!key.startsWith(prefix)) return undefined;
  return { revision, key, before: bytes.length > end ? decodeStored(key, bytes.subarray(end)) : undefined };
}
