/** Frames that are there together go out together, in slices: each watcher that waits for its client holds one of them. */
import type { CacheEvent, ServedForm } from '../watch-cache/watch-cache.ts';

/** A thousand watchers that begin at once hold 32 MB. */
const SLICE_BYTES = 32 * 1024;

/** Of JSON as the cache has it, copied once. A slice is longer than the limit only when it is a single frame. */
export function* jsonSlices(events: readonly CacheEvent[], form: ServedForm): Generator<Uint8Array, void, undefined> {
  for (let start = 0; start < events.length; ) {
    let end = start;
    let length = 0;
    for (; end < events.length; end++) {
      const more = events[end]!.frameLength(form);
      if (end > start && length + more > SLICE_BYTES) break;
      length += more;
    }
    yield end - start === 1 ? events[start]!.frame(form) : joined(events.slice(start, end), { form, length });
    start = end;
  }
}

function joined(events: readonly CacheEvent[], { form, length }: { form: ServedForm; length: number }): Uint8Array {
  const slice = Buffer.allocUnsafeSlow(length);
  let offset = 0;
  for (const event of events) offset = event.copyFrame(slice, offset, form);
  return slice;
}

/** Of frames that are made for this watcher. */
export function* slicesOf(
  events: readonly CacheEvent[],
  frameOf: (event: CacheEvent) => Uint8Array,
): Generator<Uint8Array, void, undefined> {
  let frames: Uint8Array[] = [];
  let length = 0;
  for (const event of events) {
    const frame = frameOf(event);
    if (frames.length > 0 && length + frame.length > SLICE_BYTES) {
      yield oneOf(frames);
      frames = [];
      length = 0;
    }
    frames.push(frame);
    length += frame.length;
  }
  if (frames.length > 0) yield oneOf(frames);
}

const oneOf = (frames: readonly Uint8Array[]): Uint8Array => (frames.length === 1 ? frames[0]! : Buffer.concat(frames));
