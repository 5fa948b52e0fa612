/** What an object's ownerReferences are worth: whether each owner lives, is gone, or is on its way out and waits for this one. */
import { isEqual } from '#api/machinery/equal.ts';
import type { Kind, KindRegistry } from '#api/machinery/kind.ts';
import type { KubeObject, OwnerReference } from '#api/machinery/object.ts';
import { hasReason } from '#api/machinery/status.ts';
import type { AnyKindContext, AnyKindReading, AnyObjectRef } from '../define-controller.ts';

export const FOREGROUND = 'foregroundDeletion';
export const ORPHAN = 'orphan';

export const hasFinalizer = ({ metadata }: KubeObject, finalizer: string): boolean =>
  metadata.finalizers?.includes(finalizer) ?? false;

export const isBeingDeleted = ({ metadata }: KubeObject): boolean => metadata.deletionTimestamp !== undefined;

/** It goes only when those that block it have gone. */
export const waitsForDependents = (object: KubeObject): boolean =>
  isBeingDeleted(object) && hasFinalizer(object, FOREGROUND);

/** The kind that is served for a reference, in any version of its group. */
export function kindOf({ apiVersion, kind }: OwnerReference, kinds: KindRegistry): Kind | undefined {
  const [group = '', version = ''] = apiVersion.includes('/') ? apiVersion.split('/') : ['', apiVersion];
  const exact =
    kinds.byKind(group, version, kind) ?? kinds.all().find((each) => each.group === group && each.kind === kind);
  return exact?.hub?.kind ?? exact;
}

/** undefined when the kind is not served, or a namespaced owner is claimed by an object of no namespace. */
export function refOf(owner: OwnerReference, dependent: KubeObject, kinds: KindRegistry): AnyObjectRef | undefined {
  const kind = kindOf(owner, kinds);
  const { namespace } = dependent.metadata;
  if (!kind) return undefined;
  if (kind.scope === 'Cluster') return { kind, key: owner.name };
  return namespace ? { kind, key: `${namespace}/${owner.name}` } : undefined;
}

/** An owner that was seen to go: what had this uid never comes back, and the server need not be asked for it. */
export const noteGone = ({ metadata }: KubeObject, { notes }: Pick<AnyKindReading, 'notes'>): void =>
  notes.add(metadata.uid);

/** Whether the caches cannot say of each of its owners that it is there, and that it stays. */
export const isInDoubt = (object: KubeObject, { kinds, cached }: Pick<AnyKindReading, 'kinds' | 'cached'>): boolean =>
  (object.metadata.ownerReferences ?? []).some((reference) => {
    const ref = refOf(reference, object, kinds);
    const owner = ref && cached(ref.kind)?.get(ref.key);
    return owner?.metadata.uid !== reference.uid || waitsForDependents(owner);
  });

const uidOf = ({ metadata }: KubeObject): string => metadata.uid;

/** What is wrong with a reference to an owner that is there, but in another namespace; in upstream's words. */
export function misplacement(
  reference: OwnerReference,
  { metadata: { namespace = '' } }: KubeObject,
  { kinds, cached }: Pick<AnyKindContext, 'kinds' | 'cached'>,
): string | undefined {
  const kind = kindOf(reference, kinds);
  if (kind?.scope !== 'Namespaced') return undefined;
  const { apiVersion, kind: name, name: owner, uid } = reference;
  const [found] = cached(kind)?.by(uidOf, uid) ?? [];
  if (!found || found.metadata.namespace === namespace) return undefined;
  const text = `[${apiVersion}/${name}, namespace: ${namespace}, name: ${owner}, uid: ${uid}]`;
  return `ownerRef ${text} does not exist in namespace ${JSON.stringify(namespace)}`;
}

export interface Owners {
  solid: OwnerReference[];
  dangling: OwnerReference[];
  waiting: OwnerReference[];
  /** Nothing can be said of them. */
  unknown: OwnerReference[];
}

/**
 * Before an owner is called gone that was not seen to go, the server is asked: the cache may just not have it yet. Not of
 * those that are `known` to be gone, by the same reference: another reference may name where it is.
 */
export async function ownersOf(
  object: KubeObject,
  context: AnyKindContext,
  known: readonly OwnerReference[] = [],
): Promise<Owners> {
  const owners: Owners = { solid: [], dangling: [], waiting: [], unknown: [] };
  for (const reference of object.metadata.ownerReferences ?? []) {
    const ref = refOf(reference, object, context.kinds);
    if (!ref) {
      owners.unknown.push(reference);
      continue;
    }
    const isKnown = known.some((gone) => isEqual(gone, reference));
    const owner = isKnown ? undefined : await find(ref, reference.uid, context);
    if (!owner) owners.dangling.push(reference);
    else if (waitsForDependents(owner)) owners.waiting.push(reference);
    else owners.solid.push(reference);
  }
  return owners;
}

async function find(
  { kind, key }: AnyObjectRef,
  uid: string,
  context: AnyKindContext,
): Promise<KubeObject | undefined> {
  const cached = context.cached(kind)?.get(key);
  if (cached?.metadata.uid === uid) return cached;
  if (context.notes.has(uid)) return undefined;
  const [name = '', namespace] = key.split('/').reverse();
  try {
    const live = await context.api.get(kind, { name, ...(namespace && { namespace }) });
    return live.metadata.uid === uid ? live : undefined;
  } catch (error) {
    if (hasReason(error, 'NotFound')) return undefined;
    throw error;
  }
}
