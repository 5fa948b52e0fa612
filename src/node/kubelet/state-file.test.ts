import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { silentLog } from '#base/log.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { readState, StateFile } from './state-file.ts';

test('a write that fails is tried again until it succeeds, with the newest state, and leaves nothing else', async () => {
  const root = mkdtempSync(join(tmpdir(), 'kedge-state-'));
  const [folder, clock] = [join(root, 'kubelet'), new ManualClock()];
  let count = 1;
  const file = new StateFile(join(folder, 'state'), () => ({ count }), { clock, log: silentLog });
  try {
    file.changed();
    await until(() => clock.nextDueMs !== undefined);
    expect(await readState(join(folder, 'state'))).toBeUndefined();
    mkdirSync(folder);
    count = 2;
    clock.advance(5_000);
    await file.settled();
    expect(await readState(join(folder, 'state'))).toEqual({ count: 2 });
    expect(readdirSync(folder)).toEqual(['state']);
  } finally {
    rmSync(root, { recursive: true });
  }
});

async function until(check: () => boolean): Promise<void> {
  while (!check()) await new Promise((resolve) => setImmediate(resolve));
}
