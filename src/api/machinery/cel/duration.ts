/** Durations as text: Go's form, `1h30m`, `-1.5s`, `250ms`. */
import { INT64_MAX, INT64_MIN } from './int64.ts';
import { Duration } from './value.ts';

const UNITS: ReadonlyMap<string, bigint> = new Map([
  ['ns', 1n],
  ['us', 1_000n],
  ['µs', 1_000n],
  ['μs', 1_000n],
  ['ms', 1_000_000n],
  ['s', 1_000_000_000n],
  ['m', 60_000_000_000n],
  ['h', 3_600_000_000_000n],
]);

const PART = /(\d*)(?:\.(\d*))?(ns|us|µs|μs|ms|s|m|h)/y;
/** Longer ones cannot be in range without being padded; the digits are computed exactly. */
const MAX_LENGTH = 512;

/** undefined when the text is no duration, or none of 64 bits of nanoseconds. */
export function parseDuration(text: string): Duration | undefined {
  const sign = /^[+-]/.exec(text)?.[0] ?? '';
  const unsigned = text.slice(sign.length);
  if (unsigned === '0') return new Duration(0n);
  if (unsigned === '' || text.length > MAX_LENGTH) return undefined;
  let nanos = 0n;
  for (PART.lastIndex = 0; PART.lastIndex < unsigned.length; ) {
    const [, whole = '', fraction = '', unit = ''] = PART.exec(unsigned) ?? [];
    if (whole === '' && fraction === '') return undefined;
    const digits = BigInt(`${whole}${fraction}`);
    nanos += (digits * UNITS.get(unit)!) / 10n ** BigInt(fraction.length);
  }
  const signed = sign === '-' ? -nanos : nanos;
  return signed > INT64_MAX || signed < INT64_MIN ? undefined : new Duration(signed);
}
