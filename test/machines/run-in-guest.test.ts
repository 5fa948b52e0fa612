/** What the tests of other kernels stand on. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { canRunInGuest, runInGuest } from './guest/run-in-guest.ts';

const folder = mkdtempSync(join(tmpdir(), 'kedge-guest-'));
afterAll(() => rmSync(folder, { recursive: true }));

test.skipIf(!canRunInGuest())(
  'a command sees its folder, also below one that the guest has of its own, and writes nothing of this machine',
  { timeout: 150_000 },
  async () => {
    writeFileSync(join(folder, 'word'), 'anchor');
    const command = 'cat word; touch written && echo " written"; exit 3';
    const { code, output, console } = await runInGuest({ command, folder, memoryMb: 512, withinMs: 120_000 });
    expect(output, console).toBe('anchor written\n');
    expect(code).toBe(3);
    expect(existsSync(join(folder, 'written'))).toBe(false);
  },
);
