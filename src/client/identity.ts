/** What of an object says who it is and whose, which is all that some need to know of all objects there are. */
import type { KubeObject, ObjectMeta } from '#api/machinery/object.ts';

const KEPT = [
  'name',
  'namespace',
  'uid',
  'resourceVersion',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'finalizers',
  'ownerReferences',
] as const satisfies readonly (keyof ObjectMeta)[];

/** Frozen. Shares the kept parts with the object, and keeps none of the others alive. */
export function identityOf({ apiVersion, kind, metadata }: KubeObject): KubeObject {
  const kept: Record<string, unknown> = {};
  for (const field of KEPT) if (metadata[field] !== undefined) kept[field] = metadata[field];
  return Object.freeze({ apiVersion, kind, metadata: Object.freeze(kept as unknown as ObjectMeta) });
}
