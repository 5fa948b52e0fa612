/**
 * The audit log on disk: a line of JSON an event, readable by its owner alone. A file that is full is set aside under the
 * time at which it ended; the oldest of those go. Lines of one turn of the loop are written together, in order.
 * Source: kube-apiserver, --audit-log-*; the names of files set aside are lumberjack's.
 */

import type { FileHandle } from 'node:fs/promises';
import { chmod, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { AuditEvent, AuditSink } from './audit-event.ts';

export interface LogFileOptions {
  path: string;
  /** Megabytes (2^20) after which a new file begins. */
  maxSizeMb?: number;
  /** Days after which a file that was set aside goes; 0: never. */
  maxAgeDays?: number;
  /** Files that are set aside; 0: any number. */
  maxBackups?: number;
  /** `json`, or a line that is easy to read. */
  format?: 'json' | 'legacy';
  clock: Clock;
  log: Log;
}

const MB = 1024 * 1024;
const DAY_MS = 24 * 60 * 60 * 1000;
/** What may wait for a disk that is slow or full. Beyond it events are lost, and counted in the log. */
const MAX_WAITING_BYTES = 64 * MB;

export class AuditLogFile implements AuditSink {
  readonly #options: Required<LogFileOptions>;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #lost = 0;
  #writing: Promise<void> | undefined;
  #file: FileHandle | undefined;
  #size = 0;

  constructor(options: LogFileOptions) {
    this.#options = { maxSizeMb: 100, maxAgeDays: 366, maxBackups: 100, format: 'json', ...options };
  }

  write(event: AuditEvent): void {
    const line = Buffer.from(this.#options.format === 'json' ? `${JSON.stringify(event)}\n` : legacyLine(event));
    if (this.#waitingBytes + line.length > MAX_WAITING_BYTES) {
      this.#lost++;
      return;
    }
    this.#waiting.push(line);
    this.#waitingBytes += line.length;
    this.#writing ??= Promise.resolve().then(() => this.#drain());
  }

  async close(): Promise<void> {
    while (this.#writing) await this.#writing;
    await this.#file?.close();
    this.#file = undefined;
  }

  async #drain(): Promise<void> {
    const { log } = this.#options;
    try {
      while (this.#waiting.length > 0) {
        const lines = this.#waiting;
        this.#waiting = [];
        await this.#append(lines);
      }
      if (this.#lost > 0) log.error('audit events were lost: the disk does not keep up', { count: this.#lost });
      this.#lost = 0;
    } catch (error) {
      log.error('the audit log cannot be written', { error: String(error) });
      await this.#file?.close().catch(() => undefined); // it has failed already
      this.#file = undefined;
    } finally {
      this.#waitingBytes = this.#waiting.reduce((sum, { length }) => sum + length, 0);
      this.#writing = this.#waiting.length > 0 && this.#file ? this.#drain() : undefined;
    }
  }

  async #append(lines: readonly Buffer[]): Promise<void> {
    const limit = this.#options.maxSizeMb * MB;
    for (let at = 0; at < lines.length; ) {
      this.#file ??= await this.#open();
      if (this.#size > 0 && this.#size + lines[at]!.length > limit) {
        await this.#rotate();
        continue;
      }
      let end = at;
      let bytes = 0;
      while (end < lines.length && (end === at || this.#size + bytes + lines[end]!.length <= limit))
        bytes += lines[end++]!.length;
      await this.#file.appendFile(Buffer.concat(lines.slice(at, end), bytes));
      this.#size += bytes;
      this.#waitingBytes -= bytes;
      at = end;
    }
  }

  async #open(): Promise<FileHandle> {
    const { path } = this.#options;
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const file = await open(path, 'a', 0o600);
    await chmod(path, 0o600);
    this.#size = (await file.stat()).size;
    return file;
  }

  async #rotate(): Promise<void> {
    const { path, clock } = this.#options;
    await this.#file?.close();
    this.#file = undefined;
    const taken = new Set(await readdir(dirname(path)));
    let atMs = clock.now();
    while (taken.has(basename(asideName(path, atMs)))) atMs++; // two in one millisecond
    await rename(path, asideName(path, atMs));
    await this.#removeOld();
  }

  async #removeOld(): Promise<void> {
    const { path, maxBackups, maxAgeDays, clock } = this.#options;
    const folder = dirname(path);
    const aside = (await readdir(folder)).flatMap((name) => {
      const atMs = asideTimeMs(path, name);
      return atMs === undefined ? [] : [{ name, atMs }];
    });
    aside.sort((a, b) => b.atMs - a.atMs || (a.name < b.name ? 1 : -1));
    const oldestMs = maxAgeDays > 0 ? clock.now() - maxAgeDays * DAY_MS : Number.NEGATIVE_INFINITY;
    const gone = aside.filter(({ atMs }, i) => (maxBackups > 0 && i >= maxBackups) || atMs < oldestMs);
    await Promise.all(gone.map(({ name }) => rm(join(folder, name), { force: true })));
  }
}

/** `audit.log` → `audit-2026-01-01T00-00-00.000.log`. */
function asideName(path: string, ms: number): string {
  const extension = extname(path);
  const time = new Date(ms).toISOString().slice(0, -1).replaceAll(':', '-');
  return join(dirname(path), `${basename(path, extension)}-${time}${extension}`);
}

const TIME = /^(\d{4}-\d\d-\d\dT)(\d\d)-(\d\d)-(\d\d\.\d{3})$/;

/** undefined: not one of ours. */
function asideTimeMs(path: string, name: string): number | undefined {
  const extension = extname(path);
  const start = `${basename(path, extension)}-`;
  if (!name.startsWith(start) || !name.endsWith(extension)) return undefined;
  const found = TIME.exec(name.slice(start.length, name.length - extension.length));
  return found ? Date.parse(`${found[1]}${found[2]}:${found[3]}:${found[4]}Z`) : undefined;
}

function legacyLine(event: AuditEvent): string {
  const { user, impersonatedUser, sourceIPs = [], objectRef, responseStatus } = event;
  const quoted = (text = '<none>') => JSON.stringify(text);
  const groupsOf = (groups: readonly string[] = []) => groups.map((group) => quoted(group)).join(',');
  return (
    `${event.stageTimestamp} AUDIT: id=${quoted(event.auditID)} stage=${quoted(event.stage)} ` +
    `ip=${quoted(sourceIPs[0])} method=${quoted(event.verb)} user=${quoted(user.username)} ` +
    `groups=${quoted(groupsOf(user.groups) || '<none>')} as=${quoted(impersonatedUser?.username ?? '<self>')} ` +
    `asgroups=${quoted(impersonatedUser ? groupsOf(impersonatedUser.groups) : '<lookup>')} ` +
    `user-agent=${quoted(event.userAgent ?? '')} namespace=${quoted(objectRef?.namespace)} ` +
    `uri=${quoted(event.requestURI)} response="${responseStatus?.code ?? '<deferred>'}"\n`
  );
}
