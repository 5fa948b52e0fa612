/** The least that so many writes of objects could cost: each becomes JSON, is kept as that, and is read from it once. */
import { join } from 'node:path';
import { open } from 'lmdb';
import type { Floor } from './row.ts';

/** So many writers wait for the disk at a time. */
const AT_ONCE = 64;

/** In memory. The objects take turns. */
export function writesInMemory(objects: readonly object[], writes: number): Floor {
  const kept = new Map<number, string>();
  const began = performance.now();
  for (let write = 0; write < writes; write++) {
    const at = write % objects.length;
    kept.set(at, JSON.stringify(objects[at]));
    JSON.parse(kept.get(at) ?? '');
  }
  const note = `${writes} writes of the same objects as JSON into a Map, each read once`;
  return { value: performance.now() - began, note };
}

/** On disk, each durable before its writer goes on. */
export async function writesOnDisk(folder: string, object: object, writes: number): Promise<Floor> {
  const path = join(folder, 'floor.mdb');
  const store = open<Buffer, string>({ path, noSubdir: true, encoding: 'binary', cache: false });
  const began = performance.now();
  for (let write = 0; write < writes; write += AT_ONCE) {
    await store.batch(() => {
      for (let at = write; at < Math.min(write + AT_ONCE, writes); at++) {
        const text = JSON.stringify(object);
        JSON.parse(text);
        void store.put(`/registry/${at}`, Buffer.from(text));
      }
    });
    await store.flushed;
  }
  const value = performance.now() - began;
  await store.close();
  return {
    value,
    note: `${writes} writes of a pod as JSON into LMDB, ${AT_ONCE} at a time and durable, each read once`,
  };
}
