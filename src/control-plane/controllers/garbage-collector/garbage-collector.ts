/**
 * Deletes what has lost its last owner, in the way the owner's deletion asked for: in the background, before the owner
 * (foreground), or not at all (orphan). Works on ownerReferences alone, so every kind takes part. Source: "Garbage Collection".
 */
import { isEqual } from '#api/machinery/equal.ts';
import type { Kind } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { hasReason } from '#api/machinery/status.ts';
import { inParallel } from '#base/concurrency.ts';
import type { AnyKindChange, AnyKindContext, AnyKindReading, AnyObjectRef, Outcome } from '../define-controller.ts';
import { anyKind, defineController, giveUp, settled } from '../define-controller.ts';
import { NotYet } from '../errors.ts';
import {
  FOREGROUND,
  hasFinalizer,
  isBeingDeleted,
  isInDoubt,
  kindOf,
  misplacement,
  noteGone,
  ORPHAN,
  ownersOf,
  refOf,
  waitsForDependents,
} from './owners.ts';

const BY_OWNER = 'owner uid';
type Found = { kind: Kind; object: KubeObject };

export const garbageCollector = defineController({
  name: 'garbage-collector-controller',
  serviceAccount: 'generic-garbage-collector',
  reconciles: anyKind,
  // An Event is gone by itself soon, and owns nothing.
  wholes: () => false,
  follows: ({ verbs, hub, plural }) =>
    !hub && plural !== 'events' && verbs.includes('delete') && verbs.includes('list') && verbs.includes('watch'),
  indexes: { [BY_OWNER]: ({ metadata }) => metadata.ownerReferences?.map(({ uid }) => uid) },
  also: [{ apiGroups: ['*'], resources: ['*'], verbs: ['delete', 'get', 'list', 'patch', 'update', 'watch'] }],
  workers: 20,

  *affects(change, reading): Iterable<AnyObjectRef> {
    const { kind, key, now, before } = change;
    if (now && before && isSameInGraph(now, before)) return;
    if (now && isToBeLookedAt(now, reading)) yield { kind, key };
    else if (!now && before) yield* dependentsLeft(before, reading);
    yield* ownersThatWait(change, reading);
  },

  async reconcile({ kind }, object, context): Promise<Outcome> {
    if (!object) return settled;
    if (isBeingDeleted(object)) return beforeItGoes({ kind, object }, context);
    if (!object.metadata.ownerReferences?.length) return settled;
    return collect({ kind, object }, context);
  },
});

/** Whether the graph of owners depends on nothing of what has changed. */
const isSameInGraph = ({ metadata: a }: KubeObject, { metadata: b }: KubeObject): boolean =>
  a.uid === b.uid &&
  (a.deletionTimestamp === undefined) === (b.deletionTimestamp === undefined) &&
  isEqual(a.ownerReferences ?? NONE, b.ownerReferences ?? NONE) &&
  isEqual(a.finalizers ?? NONE, b.finalizers ?? NONE);
const NONE: readonly never[] = [];

/** What its own finalizers or its owners may ask for something. */
const isToBeLookedAt = (object: KubeObject, reading: AnyKindReading): boolean =>
  isBeingDeleted(object)
    ? hasFinalizer(object, ORPHAN) || hasFinalizer(object, FOREGROUND)
    : isInDoubt(object, reading);

function* dependentsLeft(owner: KubeObject, reading: AnyKindReading): Iterable<AnyObjectRef> {
  const dependents = dependentsOf(owner, reading);
  if (dependents.length > 0) noteGone(owner, reading);
  for (const dependent of dependents) yield refTo(dependent);
}

const refTo = ({ kind, object: { metadata } }: Found): AnyObjectRef => ({
  kind,
  key: metadata.namespace ? `${metadata.namespace}/${metadata.name}` : metadata.name,
});

const dependentsOf = ({ metadata }: KubeObject, { under }: AnyKindReading): Found[] => under(BY_OWNER, metadata.uid);

/** An owner whose foreground deletion may go on because this one no longer blocks it. */
function* ownersThatWait({ before }: AnyKindChange, { kinds, cached }: AnyKindReading): Iterable<AnyObjectRef> {
  if (!before) return;
  for (const reference of before.metadata.ownerReferences ?? NONE) {
    const ref = refOf(reference, before, kinds);
    const owner = ref && cached(ref.kind)?.get(ref.key);
    if (owner && isBeingDeleted(owner)) yield ref;
  }
}

async function beforeItGoes(item: Found, context: AnyKindContext): Promise<Outcome> {
  const { object } = item;
  if (hasFinalizer(object, ORPHAN)) {
    await inParallel(dependentsOf(object, context), (dependent) => disown(dependent, [object.metadata.uid], context));
    await removeFinalizer(item, ORPHAN, context);
  } else if (hasFinalizer(object, FOREGROUND)) {
    const blocking = dependentsOf(object, context).filter((dependent) => blocks(dependent.object, object));
    if (blocking.length === 0) await removeFinalizer(item, FOREGROUND, context);
    for (const dependent of blocking) if (!isBeingDeleted(dependent.object)) context.enqueue(refTo(dependent));
  }
  return settled;
}

const blocks = (dependent: KubeObject, owner: KubeObject): boolean =>
  dependent.metadata.ownerReferences?.some(
    ({ uid, blockOwnerDeletion }) => uid === owner.metadata.uid && blockOwnerDeletion,
  ) ?? false;

async function collect({ kind, object }: Found, context: AnyKindContext): Promise<Outcome> {
  const cached = await ownersOf(object, context);
  for (const reference of [...cached.dangling, ...cached.unknown]) {
    const text = misplacement(reference, object, context);
    if (text) context.events.warning(object, 'OwnerRefInvalidNamespace', text);
  }
  const [odd] = cached.unknown;
  if (odd) {
    // Once its kind is served it can be told whether it is there.
    if (!kindOf(odd, context.kinds)) throw new NotYet(`no such owner kind: ${odd.apiVersion} ${odd.kind}`);
    return giveUp(`an object of no namespace cannot belong to ${odd.kind} ${odd.name}, which has one`);
  }
  if (cached.dangling.length === 0 && cached.waiting.length === 0) return settled;

  const item = await latest({ kind, object }, context);
  if (!item || isBeingDeleted(item.object)) return settled;
  const { solid, dangling, waiting, unknown } = await ownersOf(item.object, context, cached.dangling);
  if (unknown.length > 0 || dangling.length + waiting.length === 0) return settled;
  if (solid.length > 0) {
    await disown(
      item,
      [...dangling, ...waiting].map(({ uid }) => uid),
      context,
    );
    return settled;
  }
  if (waiting.length > 0 && dependentsOf(item.object, context).length > 0) {
    await unblockCircle(item, context);
    await remove(item, 'Foreground', context);
    return settled;
  }
  await remove(item, policyOf(item.object), context);
  return settled;
}

/** A finalizer that somebody put there says how its own dependents are to be treated. */
function policyOf(object: KubeObject): 'Orphan' | 'Foreground' | 'Background' {
  if (hasFinalizer(object, ORPHAN)) return 'Orphan';
  return hasFinalizer(object, FOREGROUND) ? 'Foreground' : 'Background';
}

const at = ({ object: { metadata } }: Found) => ({
  name: metadata.name,
  ...(metadata.namespace && { namespace: metadata.namespace }),
});

/** undefined when it is gone, or another one has its name. */
async function latest(item: Found, { api }: AnyKindContext): Promise<Found | undefined> {
  try {
    const object = await api.get(item.kind, at(item));
    return object.metadata.uid === item.object.metadata.uid ? { kind: item.kind, object } : undefined;
  } catch (error) {
    if (hasReason(error, 'NotFound')) return undefined;
    throw error;
  }
}

/** The version is a precondition: owners that it was given meanwhile keep it alive. */
async function remove(item: Found, propagationPolicy: 'Orphan' | 'Foreground' | 'Background', { api }: AnyKindContext) {
  const { uid, resourceVersion } = item.object.metadata;
  await tolerateGone(api.delete(item.kind, at(item), { propagationPolicy, preconditions: { uid, resourceVersion } }));
}

/** Takes away these references; the object lives on. */
async function disown(item: Found, uids: readonly string[], { api }: AnyKindContext): Promise<void> {
  const ownerReferences = uids.map((uid) => ({ $patch: 'delete', uid }));
  await patchMetadata(item, { ownerReferences }, (known) => known.filter(({ uid }) => !uids.includes(uid)), api);
}

/** Two that own each other would wait for ever: who is asked to wait for this one no longer is. */
async function unblockCircle(item: Found, context: AnyKindContext): Promise<void> {
  const isCircle = dependentsOf(item.object, context).some(({ object }) => waitsForDependents(object));
  if (!isCircle) return;
  const ownerReferences = (item.object.metadata.ownerReferences ?? []).map((reference) => ({
    ...reference,
    blockOwnerDeletion: false,
  }));
  await patchMetadata(item, { ownerReferences }, () => ownerReferences, context.api);
}

type References = NonNullable<KubeObject['metadata']['ownerReferences']>;

/** Strategic merge where the kind has it; a custom kind gets the whole list, guarded by its version. */
async function patchMetadata(
  item: Found,
  strategic: { ownerReferences: unknown[] },
  whole: (known: References) => References,
  api: AnyKindContext['api'],
): Promise<void> {
  const { uid, resourceVersion, ownerReferences = [] } = item.object.metadata;
  const patch = item.kind.facts
    ? { type: 'strategic' as const, patch: { metadata: { uid, ...strategic } } }
    : {
        type: 'merge' as const,
        patch: { metadata: { uid, resourceVersion, ownerReferences: whole(ownerReferences) } },
      };
  await tolerateGone(api.patch(item.kind, at(item), patch));
}

/** Of an object that changed meanwhile, from its newest state. Source: upstream's removeFinalizer, which tries five times. */
async function removeFinalizer(item: Found, finalizer: string, context: AnyKindContext, tries = 5): Promise<void> {
  const { uid, resourceVersion, finalizers = [] } = item.object.metadata;
  const metadata = { uid, resourceVersion, finalizers: finalizers.filter((name) => name !== finalizer) };
  try {
    await tolerateGone(context.api.patch(item.kind, at(item), { type: 'merge', patch: { metadata } }));
  } catch (error) {
    if (!hasReason(error, 'Conflict') || tries === 1) throw error;
    const newest = await latest(item, context);
    if (newest && hasFinalizer(newest.object, finalizer)) await removeFinalizer(newest, finalizer, context, tries - 1);
  }
}

async function tolerateGone(write: Promise<unknown>): Promise<void> {
  try {
    await write;
  } catch (error) {
    if (!hasReason(error, 'NotFound')) throw error;
  }
}
