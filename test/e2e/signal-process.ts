/** Signals to processes of a cluster, and to nobody else. */
import { readFileSync } from 'node:fs';
import { isAlive, type ProcessRecord } from '#node/machine/process-record.ts';

/** `pid`: as it was told just now. 0 means that there is none: the kernel would take it for the group that the tests run in. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  if (!(pid > 1)) throw new Error(`there is no process that could get ${signal}`);
  process.kill(pid, signal);
}

/** As it was written down some time ago: another that has its number by now is left alone. */
export function signalRecorded(record: ProcessRecord, signal: NodeJS.Signals): void {
  const { pid } = record;
  if (!isAlive(record)) throw new Error(`the process ${pid} that should get ${signal} has ended`);
  signalProcess(pid, signal);
}

export const recordIn = (file: string): ProcessRecord => {
  const written = JSON.parse(readFileSync(file, 'utf8')) as ProcessRecord | { record: ProcessRecord };
  return 'record' in written ? written.record : written;
};
