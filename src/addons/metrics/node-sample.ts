/** One look at a node's /metrics/resource. Pure. Source: Prometheus' text format; names are the kubelet's. */

export interface Reading {
  /** Cumulative, in seconds. */
  cpuSeconds: number;
  memoryBytes: number;
  /** When it was taken, in ms since the epoch. */
  atMs: number;
}
export interface ContainerReading extends Reading {
  namespace: string;
  pod: string;
  name: string;
  /** Since when the counter counts. */
  startMs: number | undefined;
}
export interface NodeSample {
  node: Reading | undefined;
  containers: ContainerReading[];
}

type Draft<T> = { -readonly [K in keyof T]?: T[K] | undefined };

/** @param atMs for lines that do not say when they were taken */
export function sampleOf(text: string, atMs: number): NodeSample {
  const node: Draft<Reading> = { atMs };
  const containers = new Map<string, Draft<ContainerReading>>();
  for (const line of text.split('\n')) {
    const parsed = lineOf(line);
    if (!parsed) continue;
    const { name, labels, value, takenMs = atMs } = parsed;
    if (name === 'node_cpu_usage_seconds_total') Object.assign(node, { cpuSeconds: value, atMs: takenMs });
    if (name === 'node_memory_working_set_bytes') node.memoryBytes = value;
    if (!name.startsWith('container_')) continue;
    const { namespace = '', pod = '', container = '' } = labels;
    const key = `${namespace}/${pod}/${container}`;
    const reading = containers.get(key) ?? { namespace, pod, name: container, atMs };
    containers.set(key, reading);
    if (name === 'container_cpu_usage_seconds_total') Object.assign(reading, { cpuSeconds: value, atMs: takenMs });
    if (name === 'container_memory_working_set_bytes') reading.memoryBytes = value;
    if (name === 'container_start_time_seconds') reading.startMs = value * 1000;
  }
  return {
    node: isWhole(node) ? node : undefined,
    containers: [...containers.values()].filter(isWhole) as ContainerReading[],
  };
}

const isWhole = (reading: Draft<Reading>): reading is Reading =>
  reading.cpuSeconds !== undefined && reading.memoryBytes !== undefined;

interface Line {
  name: string;
  labels: Record<string, string>;
  value: number;
  takenMs: number | undefined;
}

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)(?: (\d+))?$/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;

function lineOf(line: string): Line | undefined {
  const match = line.startsWith('#') ? undefined : LINE.exec(line);
  if (!match) return undefined;
  const [, name = '', labels = '', value = '', takenMs] = match;
  const number = Number(value);
  if (!Number.isFinite(number)) return undefined;
  const pairs = [...labels.matchAll(LABEL)].map(([, key = '', text = '']) => [key, text.replace(/\\(.)/g, '$1')]);
  return { name, labels: Object.fromEntries(pairs), value: number, takenMs: takenMs ? Number(takenMs) : undefined };
}
