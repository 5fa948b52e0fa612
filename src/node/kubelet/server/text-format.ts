/** Prometheus' text format, version 0.0.4. */
import { type Distribution, runningTotals } from '#base/distribution.ts';

export interface Sample {
  labels?: Readonly<Record<string, string>>;
  value: number;
  /** When it was taken, in ms since the epoch. */
  atMs?: number;
}
export interface Family {
  name: string;
  help: string;
  type: 'counter' | 'gauge' | 'histogram';
}

export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** Nothing for a family without samples. */
export const familyText = (family: Family, samples: readonly Sample[]): string =>
  textOf(
    family,
    samples.map((sample) => sampleLine(family.name, sample)),
  );

/** Nothing for a family without samples. */
export function histogramText(
  { name, help }: Omit<Family, 'type'>,
  series: readonly { labels?: Readonly<Record<string, string>>; durations: Distribution }[],
): string {
  const lines = series.flatMap(({ labels = {}, durations: { bounds, counts, sum, count } }) => {
    const buckets = runningTotals(counts).map((value, i) =>
      sampleLine(`${name}_bucket`, { labels: { ...labels, le: String(bounds[i] ?? '+Inf') }, value }),
    );
    const total = sampleLine(`${name}_sum`, { labels, value: sum });
    return [...buckets, total, sampleLine(`${name}_count`, { labels, value: count })];
  });
  return textOf({ name, help, type: 'histogram' }, lines);
}

function textOf({ name, help, type }: Family, lines: readonly string[]): string {
  return lines.length === 0 ? '' : `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('\n')}\n`;
}

function sampleLine(name: string, { labels = {}, value, atMs }: Sample): string {
  const pairs = Object.entries(labels).map(([key, text]) => `${key}="${escaped(text)}"`);
  const stamp = atMs === undefined ? '' : ` ${Math.round(atMs)}`;
  return `${name}${pairs.length > 0 ? `{${pairs.join(',')}}` : ''} ${value}${stamp}`;
}

const escaped = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"');
