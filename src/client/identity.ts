/** What of an object says who it is and whose, which is all that some need to know of all objects there are. */
import { apiVersionOf, type Kind } from '#api/machinery/kind.ts';
import type { KubeObject, ObjectMeta } from '#api/machinery/object.ts';

/** Most objects have none of these. */
const RARE = [
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'finalizers',
  'ownerReferences',
] as const satisfies readonly (keyof ObjectMeta)[];

/** Namespaces whose name is shared; those of a cluster with more take a little more room. */
const MAX_SHARED = 1_000;

/**
 * Makes the identities of one kind, frozen. Each shares the kept parts with its object and keeps none of the others alive; what is
 * the same for many is there once: of 100,000 objects the identities take 20 MB.
 */
export function identitiesOf(kind: Kind): (object: KubeObject) => KubeObject {
  const type = { apiVersion: apiVersionOf(kind), kind: kind.kind };
  const shared = new Map<string, string>();
  const once = (text: string): string => {
    const known = shared.get(text);
    if (known !== undefined) return known;
    if (shared.size < MAX_SHARED) shared.set(text, text);
    return text;
  };
  return ({ metadata }) => {
    const { name, namespace, uid, resourceVersion } = metadata;
    const kept: Partial<ObjectMeta> = namespace
      ? { name, namespace: once(namespace), uid, resourceVersion }
      : { name, uid, resourceVersion };
    for (const field of RARE) if (metadata[field] !== undefined) Object.assign(kept, { [field]: metadata[field] });
    return Object.freeze({ ...type, metadata: Object.freeze(kept as ObjectMeta) });
  };
}
