import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
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

test('on a disk that is full a log begins again without a copy, and one that cannot holds up no other', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'kedge-logs-'));
  const [gone, full] = [join(folder, 'a.log'), join(folder, 'b.log')];
  for (const path of [gone, full, olderLog(full)]) writeFileSync(path, 'long enough');
  const copy = async (from: string, to: string) => {
    writeFileSync(to, 'a part');
    throw Object.assign(new Error('copyfile'), { code: from === gone ? 'EIO' : 'ENOSPC' });
  };
  try {
    await expect(shortenLogs({ folder, maxBytes: 10, copy })).rejects.toMatchObject({ code: 'EIO' });
    expect(readFileSync(gone, 'utf8')).toBe('long enough');
    expect(readFileSync(full, 'utf8')).toBe('');
    expect(readdirSync(folder).sort()).toEqual(['a.log', 'b.log']);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
