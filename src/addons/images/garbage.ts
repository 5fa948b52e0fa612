/**
 * Removes bytes that no manifest needs any more: layers of deleted images, blobs that were pushed and then never used. A push
 * sends blobs first and asks which ones are there already, so what was touched lately stays.
 */
import type { Blobs } from './blobs.ts';
import type { Manifests } from './manifests.ts';

export interface Garbage {
  blobs: Blobs;
  manifests: Manifests;
  /** Wall time in ms. */
  nowMs: number;
  /** Untouched for so long. */
  unusedMs: number;
}

/** @returns digests of what was removed */
export async function collectGarbage({ blobs, manifests, nowMs, unusedMs }: Garbage): Promise<string[]> {
  const repositories = await manifests.repositories();
  const needed = new Set<string>();
  for (const repository of repositories) {
    for (const { digest, content } of await manifests.all(repository)) {
      for (const each of [digest, ...content.blobs]) needed.add(each);
    }
  }
  const removed: string[] = [];
  for await (const { digest, usedMs } of blobs.all()) {
    if (needed.has(digest) || nowMs - usedMs < unusedMs) continue;
    await blobs.remove(digest);
    removed.push(digest);
  }
  // A link without bytes says nothing: the blob is asked for, too. It goes so that folders do not grow.
  const gone = new Set(removed);
  for (const repository of repositories) {
    for (const digest of await blobs.linked(repository))
      if (gone.has(digest)) await blobs.unlinkDead(repository, digest);
  }
  return removed;
}
