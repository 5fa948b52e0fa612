/**
 * A volume whose files are only read cannot get a folder for another volume that is mounted in it, once it is mounted: the
 * folders are made before.
 */
import { mkdir } from 'node:fs/promises';
import { join, posix } from 'node:path';
import type { Pod } from '#api/generated/schema.ts';

/** Relative to the volume. Of what is nested twice only the outer one. */
export function nestedMountPoints(volume: string, { spec }: Pod): string[] {
  const containers = [...(spec.initContainers ?? []), ...spec.containers, ...(spec.ephemeralContainers ?? [])];
  const found = new Set<string>();
  for (const { volumeMounts = [] } of containers) {
    const all = volumeMounts.map(({ mountPath }) => posix.join('/', mountPath).replace(/(.)\/$/, '$1')).sort();
    for (const [index, { name, subPath, subPathExpr }] of volumeMounts.entries()) {
      if (name !== volume || subPath || subPathExpr) continue;
      const base = posix.join('/', volumeMounts[index]?.mountPath ?? '').replace(/\/?$/, '/');
      const inside = all.filter((path) => path.startsWith(base) && path !== base);
      for (const path of inside)
        if (!inside.some((outer) => path.startsWith(`${outer}/`))) found.add(path.slice(base.length));
    }
  }
  return [...found];
}

export async function makeNestedMountPoints(folder: string, volume: string, pod: Pod): Promise<void> {
  for (const path of nestedMountPoints(volume, pod)) await mkdir(join(folder, path), { recursive: true, mode: 0o755 });
}
