import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { olderLog, shortenLogs } from './short-logs.ts';

test('a log that is too long begins again, its former content stands beside it once, and who has it open writes on', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'kedge-logs-'));
  const path = join(folder, 'node1/kubelet.log');
  mkdirSync(join(folder, 'node1'));
  const open = openSync(path, 'a', 0o600);
  writeFileSync(join(folder, 'short.log'), 'short');
  try {
    for (const text of ['first: long enough', 'second: long enough', 'third']) {
      writeSync(open, text);
      await shortenLogs({ folder, maxBytes: 10 });
    }
    expect(readFileSync(path, 'utf8')).toBe('third');
    expect(readFileSync(olderLog(path), 'utf8')).toBe('second: long enough');
    expect(statSync(olderLog(path)).mode & 0o777).toBe(0o600);
    expect(readFileSync(join(folder, 'short.log'), 'utf8')).toBe('short');
  } finally {
    closeSync(open);
    rmSync(folder, { recursive: true });
  }
});
