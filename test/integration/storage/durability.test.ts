import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { openLmdbStorage } from '#control-plane/storage/lmdb.ts';

const child = fileURLToPath(new URL('./committing-child.ts', import.meta.url));
const ENOUGH = 1500;

/** Every transaction that the child said was acknowledged before it was killed in the middle of its work. */
async function acknowledgedBeforeKill(directory: string, round: number): Promise<Map<string, number>> {
  const committing = fork(child, [directory, String(round)], { execArgv: ['--import', 'tsx'] });
  const over = Promise.all([once(committing, 'exit'), once(committing, 'disconnect')]);
  const acknowledged = new Map<string, number>();
  committing.on('message', ([key, revision]: [string, number]) => {
    acknowledged.set(key, revision);
    if (acknowledged.size === ENOUGH) committing.kill('SIGKILL');
  });
  const [[, signal]] = await over;
  expect(signal).toBe('SIGKILL');
  return acknowledged;
}

test('what was acknowledged before a kill -9 is there afterwards, with its history', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'kedge-kill-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  for (let round = 0; round < 3; round++) {
    const acknowledged = await acknowledgedBeforeKill(directory, round);
    const storage = await openLmdbStorage({ directory });
    const { items, revision } = await storage.range({ prefix: `/registry/things/${round}/` });
    const found = new Map(items.map((item) => [item.key, item]));
    for (const [key, modRevision] of acknowledged) {
      expect(found.get(key)?.modRevision).toBe(modRevision);
      expect(Buffer.from(found.get(key)!.value).toString()).toContain(key);
    }
    const stop = new AbortController();
    const [history] = await storage
      .watch({ prefix: '', after: 1, signal: stop.signal })
      [Symbol.asyncIterator]()
      .next()
      .then(({ value }) => [value.events.map((event: { revision: number }) => event.revision)]);
    expect(history).toEqual(Array.from({ length: revision - 1 }, (_, index) => index + 2));
    stop.abort();
    await storage.close();
  }
});
