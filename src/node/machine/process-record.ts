/**
 * A process as it can be found again later: by id and start time on this boot. An id alone may by then be somebody else's.
 * Source: proc(5), /proc/pid/stat.
 */
import { readdirSync, readFileSync } from 'node:fs';

export interface ProcessRecord {
  pid: number;
  /** In clock ticks since boot; 0 where there is no /proc. */
  startTicks: number;
  bootId: string;
}

export interface ProcessStat {
  pid: number;
  parent: number;
  state: string;
  startTicks: number;
}

let boot: string | undefined;

/** Differs after every boot; empty where the kernel does not tell. */
export function bootId(): string {
  boot ??= readOrUndefined('/proc/sys/kernel/random/boot_id')?.trim() ?? '';
  return boot;
}

export function recordOf(pid: number): ProcessRecord | undefined {
  if (process.platform !== 'linux') return signalled(pid, 0) ? { pid, startTicks: 0, bootId: '' } : undefined;
  const stat = statOf(pid);
  return stat && stat.state !== 'Z' ? { pid, startTicks: stat.startTicks, bootId: bootId() } : undefined;
}

/** False as well for a zombie, for a process of an earlier boot, and for another process under the same id. */
export function isAlive(record: ProcessRecord | undefined): record is ProcessRecord {
  const now = record && recordOf(record.pid);
  return now !== undefined && now.startTicks === record?.startTicks && now.bootId === record.bootId;
}

/** @returns whether there was such a process (and we may signal it). */
export function signalled(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

/** undefined when there is no such process. */
export function statOf(pid: number): ProcessStat | undefined {
  const text = readOrUndefined(`/proc/${pid}/stat`);
  return text === undefined ? undefined : parseStat(text);
}

/** The second field is the command in parentheses and may itself hold blanks and parentheses. */
export function parseStat(text: string): ProcessStat {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return {
    pid: Number.parseInt(text, 10),
    state: fields[0] ?? '',
    parent: Number(fields[1]),
    startTicks: Number(fields[19]),
  };
}

/** Of all processes that can be seen, in no promised order. */
export const processIds = (): number[] =>
  readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? Number(name) : []));

export const allProcesses = (): ProcessStat[] => processIds().flatMap((pid) => statOf(pid) ?? []);

/** A file under /proc may be gone (ENOENT), or its process be (ESRCH). */
export function readOrUndefined(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}
