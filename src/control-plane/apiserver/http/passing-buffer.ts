/**
 * Memory for what is sent at once and then forgotten: cut from slabs, because to make a buffer costs more than to fill it. A
 * slab lives as long as any of its pieces, so nothing that stays (a cache, a queue) may be in one.
 */
const SLAB_BYTES = 64 * 1024;
/** Larger ones are worth memory of their own. */
const LARGEST = SLAB_BYTES / 8;

let slab = Buffer.alloc(0);
let used = 0;

/** Holds whatever it held before: the caller fills all of it. */
export function passingBuffer(length: number): Buffer {
  if (length > LARGEST) return Buffer.allocUnsafeSlow(length);
  if (used + length > slab.length) {
    slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
    used = 0;
  }
  const piece = slab.subarray(used, used + length);
  used += length;
  return piece;
}
