/** Commits as fast as it can and sends of each transaction that was acknowledged its key and revision. Meant to be killed. */
import { openLmdbStorage } from '#control-plane/storage/lmdb.ts';

const [directory, round] = process.argv.slice(2) as [string, string];
const storage = await openLmdbStorage({ directory });
const WRITERS = 16;

/** Whole or not at all, and waited for: who listens may be slower, and a full pipe refuses who writes to it directly. */
const said = (acknowledged: [key: string, revision: number]) =>
  new Promise<void>((resolve, reject) => {
    process.send!(acknowledged, undefined, undefined, (error) => (error ? reject(error) : resolve()));
  });

async function write(writer: number): Promise<never> {
  for (let count = 0; ; count++) {
    const key = `/registry/things/${round}/${writer}-${count}`;
    const value = Buffer.alloc(500 + writer, key);
    const { revision } = await storage.commit({ when: [{ key, modRevision: 0 }], then: [{ put: key, value }] });
    await said([key, revision]);
  }
}

await Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(writer)));
