/** Prometheus' text format, version 0.0.4. */
export interface Sample {
  labels?: Readonly<Record<string, string>>;
  value: number;
  /** When it was taken, in ms since the epoch. */
  atMs?: number;
}
export interface Family {
  name: string;
  help: string;
  type: 'counter' | 'gauge';
}

export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** Nothing for a family without samples. */
export function familyText({ name, help, type }: Family, samples: readonly Sample[]): string {
  if (samples.length === 0) return '';
  const lines = samples.map(({ labels = {}, value, atMs }) => {
    const pairs = Object.entries(labels).map(([key, text]) => `${key}="${escaped(text)}"`);
    const stamp = atMs === undefined ? '' : ` ${Math.round(atMs)}`;
    return `${name}${pairs.length > 0 ? `{${pairs.join(',')}}` : ''} ${value}${stamp}`;
  });
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('\n')}\n`;
}

const escaped = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"');
