/** Time spans as Go writes them: `1h15m30.918s`, `300ms`, `0`. Source: Go's time.ParseDuration, texts of its errors included. */

const MS_OF_UNIT: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};
/** 2^63 nanoseconds. */
const MAX_MS = 9_223_372_036_854;
const PART = /^([0-9]*)(\.[0-9]*)?([^0-9.]*)/;

export type ParsedDuration = { ms: number; problem?: undefined } | { ms?: undefined; problem: string };

export function goDurationMs(text: string): ParsedDuration {
  const quoted = JSON.stringify(text);
  const invalid = { problem: `time: invalid duration ${quoted}` };
  const sign = text.startsWith('-') ? -1 : 1;
  let rest = text.replace(/^[-+]/, '');
  if (rest === '0') return { ms: 0 };
  if (rest === '') return invalid;
  let ms = 0;
  while (rest !== '') {
    const [whole = '', digits = '', fraction = '', unit = ''] = PART.exec(rest) ?? [];
    if (digits === '' && (fraction === '' || fraction === '.')) return invalid;
    if (unit === '') return { problem: `time: missing unit in duration ${quoted}` };
    const factor = Object.hasOwn(MS_OF_UNIT, unit) ? MS_OF_UNIT[unit]! : undefined;
    if (factor === undefined) return { problem: `time: unknown unit ${JSON.stringify(unit)} in duration ${quoted}` };
    ms += Number(`${digits || '0'}${fraction === '.' ? '' : fraction}`) * factor;
    if (ms > MAX_MS) return invalid;
    rest = rest.slice(whole.length);
  }
  return { ms: sign * ms };
}
