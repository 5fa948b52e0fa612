/** Durations of the Gateway API: up to four parts, as `1h30m`, `500ms`. Source: GEP-2257. */
import { inTimers } from '#network/ingress/route-options.ts';

const UNITS_MS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1 };

/** undefined: none is said, or none is wanted (`0s`). */
export function durationMs(text: string | undefined): number | undefined {
  let ms = 0;
  for (const [, digits, unit = ''] of (text ?? '').matchAll(/(\d{1,5})(ms|h|m|s)/g))
    ms += Number(digits) * (UNITS_MS[unit] ?? 0);
  return inTimers(ms) || undefined;
}
