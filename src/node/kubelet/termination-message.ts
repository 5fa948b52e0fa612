/** What a container left to say when it ended. Source: API reference, terminationMessagePath and -Policy. */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import type { ContainerStatus } from '#node/runtime/container.ts';
import { parseLogLine } from './cri-log.ts';
import { fallsBackToLogs, messagePathOf } from './runtime-labels.ts';

// Upstream's limits: of the file, and of the end of the log.
const MAX_FILE_BYTES = 4096;
const MAX_LOG_BYTES = 2048;
const MAX_LOG_LINES = 80;

const remembered = new WeakMap<ContainerStatus, string>();

/** Read once for each exited container: its status object does not change any more. */
export function terminationMessage(status: ContainerStatus): string {
  const known = remembered.get(status);
  if (known !== undefined) return known;
  const message = readMessage(status) || status.message;
  remembered.set(status, message);
  return message;
}

function readMessage(status: ContainerStatus): string {
  const mount = status.mounts.find(({ containerPath }) => containerPath === messagePathOf(status));
  const text = mount ? fileStart(mount.hostPath, MAX_FILE_BYTES).toString('utf8') : '';
  if (text || status.exitCode === 0 || !fallsBackToLogs(status)) return text;
  const tail = fileEnd(status.logPath, MAX_LOG_BYTES * 2);
  const lines = tail
    .toString('latin1')
    .split('\n')
    .map((line) => parseLogLine(Buffer.from(line, 'latin1')));
  const contents = lines
    .filter((entry) => entry !== undefined)
    .map(({ content, isWhole }) => Buffer.concat([content, Buffer.from(isWhole ? '\n' : '')]));
  return Buffer.concat(contents.slice(-MAX_LOG_LINES)).subarray(-MAX_LOG_BYTES).toString('utf8');
}

const fileStart = (path: string, bytes: number): Buffer => readPart(path, bytes, () => 0);
const fileEnd = (path: string, bytes: number): Buffer => readPart(path, bytes, (size) => Math.max(0, size - bytes));

/** Empty when there is no such file. The container owns it: links are not followed, and only plain files are read. */
function readPart(path: string, bytes: number, from: (size: number) => number): Buffer {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (error instanceof Error && 'code' in error) return Buffer.alloc(0);
    throw error;
  }
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) return Buffer.alloc(0);
    const buffer = Buffer.alloc(bytes);
    return buffer.subarray(0, readSync(fd, buffer, 0, bytes, from(stats.size)));
  } finally {
    closeSync(fd);
  }
}
