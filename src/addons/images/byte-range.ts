/** `Range` of a blob (RFC 9110, section 14) and `Content-Range` of a chunk (OCI distribution specification 1.1). */
import { RegistryError } from './registry-error.ts';

/** First and last byte. */
export interface ByteRange {
  from: number;
  to: number;
}

/** undefined: the whole. 'unsatisfiable': it starts behind the end. Several ranges are answered with the whole. */
export function byteRange(header: string | undefined, size: number): ByteRange | 'unsatisfiable' | undefined {
  const [, first = '', last = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '') ?? [];
  if (!first && !last) return undefined;
  if (!first) {
    const suffix = Number(last);
    return suffix === 0 ? 'unsatisfiable' : { from: Math.max(0, size - suffix), to: size - 1 };
  }
  const from = Number(first);
  const to = last ? Number(last) : size - 1;
  if (last && to < from) return undefined;
  return from >= size ? 'unsatisfiable' : { from, to: Math.min(to, size - 1) };
}

/** Where a chunk starts; undefined: it does not say. Throws RegistryError. */
export function chunkStart(contentRange: string | undefined, contentLength: string | undefined): number | undefined {
  if (contentRange === undefined) return undefined;
  const [, first, last] = /^(?:bytes )?(\d{1,15})-(\d{1,15})(?:\/(?:\d+|\*))?$/.exec(contentRange) ?? [];
  if (first === undefined) throw new RegistryError('BLOB_UPLOAD_INVALID', 'Content-Range must be FIRST-LAST');
  if (contentLength !== undefined && Number(contentLength) !== Number(last) - Number(first) + 1) {
    throw new RegistryError('SIZE_INVALID', 'provided length did not match content length');
  }
  return Number(first);
}
