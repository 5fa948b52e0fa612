/** Commits as fast as it can and says of each transaction that was acknowledged: `key revision`. Meant to be killed. */
import { writeSync } from 'node:fs';
import { openLmdbStorage } from '#control-plane/storage/lmdb.ts';

const [directory, round] = process.argv.slice(2) as [string, string];
const storage = await openLmdbStorage({ directory });
const WRITERS = 16;

async function write(writer: number): Promise<never> {
  for (let count = 0; ; count++) {
    const key = `/registry/things/${round}/${writer}-${count}`;
    const value = Buffer.alloc(500 + writer, key);
    const { revision } = await storage.commit({ when: [{ key, modRevision: 0 }], then: [{ put: key, value }] });
    writeSync(1, `${key} ${revision}\n`);
  }
}

await Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(writer)));
