import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { lazyDescriptions, readDescriptions } from './descriptions.ts';

test('descriptions are read once, and only when asked for', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'kedge-descriptions-'));
  try {
    const path = join(folder, 'descriptions.json.gz');
    const descriptions = lazyDescriptions(path);
    await writeFile(path, gzipSync(JSON.stringify({ 'core.v1.Pod': ['A pod.', {}] })));
    expect(descriptions()).toEqual({ 'core.v1.Pod': ['A pod.', {}] });
    await rm(path);
    expect(descriptions()).toEqual({ 'core.v1.Pod': ['A pod.', {}] });
    expect(readDescriptions(path)).toBeUndefined();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
