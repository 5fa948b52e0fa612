/** What a process takes of the machine. Linux only. Source: proc(5). */
import { readFileSync } from 'node:fs';

export interface Memory {
  /** MB of 10^6 bytes. Anonymous: heap and buffers. File: program text and LMDB's map, which the kernel can take back. */
  rss: number;
  anonymous: number;
  file: number;
}

export function memoryOf(pid: number): Memory {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const field = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? Number.NaN) * 1.024e-3;
  return { rss: field('VmRSS'), anonymous: field('RssAnon'), file: field('RssFile') };
}

const TICKS_A_SECOND = 100; // USER_HZ, the same on all architectures that Node.js supports

/** User and system time since its start. */
export function cpuSecondsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND;
}

/** What one of `count` things costs the process, in µs of CPU: unlike times it hardly depends on what else the machine does. */
export async function cpuMicrosecondsEach<T>(pid: number, act: () => Promise<T>, count: (done: T) => number) {
  const before = cpuSecondsOf(pid);
  const done = await act();
  return { done, cpu: (1e6 * (cpuSecondsOf(pid) - before)) / count(done) };
}
