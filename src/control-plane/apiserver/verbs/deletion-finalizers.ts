/** Which finalizers an object has once it is deleted: its own, and those by which the garbage collector acts first. */
import type { Kind } from '#api/machinery/kind.ts';
import type { ObjectMeta } from '#api/machinery/object.ts';
import type { DeleteOptions } from './delete-options.ts';

export const ORPHAN = 'orphan';
export const FOREGROUND = 'foregroundDeletion';

/** What was said explicitly wins over finalizers that stand there, and these over the kind's default. */
export function finalizersFor(kind: Kind, { finalizers = [] }: ObjectMeta, options: DeleteOptions): string[] {
  if (kind.shortLived) return [...finalizers]; // events and leases own nothing
  const others = finalizers.filter((finalizer) => finalizer !== ORPHAN && finalizer !== FOREGROUND);
  const added = addedFinalizer(kind, finalizers, options);
  return added ? [...others, added] : others;
}

function addedFinalizer(
  kind: Kind,
  finalizers: readonly string[],
  { orphanDependents, propagationPolicy }: DeleteOptions,
): string | undefined {
  if (orphanDependents !== undefined) return orphanDependents ? ORPHAN : undefined;
  if (propagationPolicy === 'Orphan') return ORPHAN;
  if (propagationPolicy === 'Foreground') return FOREGROUND;
  if (propagationPolicy === 'Background') return undefined;
  if (finalizers.includes(ORPHAN)) return ORPHAN;
  if (finalizers.includes(FOREGROUND)) return FOREGROUND;
  return kind.defaultPropagation === 'Orphan' ? ORPHAN : undefined;
}
