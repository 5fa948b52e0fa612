/** Values as Go prints them: event and condition texts carry them, and clients match those. */

/** `fmt.Sprintf("%q")` for the texts that occur here. */
export const quoted = (text: string): string => JSON.stringify(text);

/** `time.Duration.String()`: `1m30s`, `10s`, `1.5s`, `200ms`, `0s`. */
export function durationText(ms: number): string {
  if (ms === 0) return '0s';
  if (Math.abs(ms) < 1) return ms < 0.001 ? `${Math.round(ms * 1e6)}ns` : `${trimmed(ms * 1000)}µs`;
  if (Math.abs(ms) < 1000) return `${trimmed(ms)}ms`;
  const seconds = ms / 1000;
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  const rest = trimmed(seconds - hours * 3600 - minutes * 60);
  return `${hours ? `${hours}h` : ''}${hours || minutes ? `${minutes}m` : ''}${rest}s`;
}

const trimmed = (value: number): string => String(Number(value.toFixed(3)));
