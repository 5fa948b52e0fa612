/**
 * DELETE of one object. It goes at once, or it is marked and goes when the last of those who must act first has
 * acted: the kubelet within a grace period, a controller behind a finalizer. Source: API concepts, "Resource
 * deletion"; upstream's registry/store.go, Delete, and rest/delete.go, BeforeDelete.
 */
import type { Kind } from '#api/machinery/kind.ts';
import type { KubeObject, ObjectMeta } from '#api/machinery/object.ts';
import { conflict } from '#api/machinery/status.ts';
import type { Behaviour, VerbServices } from '../registry/behaviour.ts';
import type { At, Change } from '../registry/stored-objects.ts';
import { admissionRequest, locationOf, type Reply, type ResourceCall } from '../resource-call.ts';
import { type DeleteOptions, deleteOptionsOf, isDryRunDelete } from './delete-options.ts';
import { finalizersFor } from './deletion-finalizers.ts';
import { timestampOf } from './object-identity.ts';

export async function remove<T extends KubeObject>(call: ResourceCall<T>, services: VerbServices): Promise<Reply> {
  const options = deleteOptionsOf(call as ResourceCall); //   400 BadRequest, 422 Invalid
  return removeStored(call, { at: locationOf(call), options }, services);
}

/** Throws NotFound, Conflict (preconditions) and what admission says. */
export async function removeStored<T extends KubeObject>(
  call: ResourceCall<T>,
  { at, options }: { at: At; options: DeleteOptions },
  services: VerbServices,
): Promise<Reply> {
  const { kind } = call;
  const behaviour = services.behaviours.of(kind) as Behaviour<T> | undefined;
  const dryRun = isDryRunDelete(options);
  const { object, cached, outcome } = await services.stored.update(kind, at, {
    dryRun,
    change: async (stored) => {
      const current = stored!;
      refuseUnmetPreconditions(kind, current, options); //    409 Conflict
      const request = admissionRequest(call, { verb: 'delete', old: current, dryRun });
      await services.admission.validate({ ...request, name: at.name, options: () => asSent(options) }); // 403 Forbidden
      return deletionOf({ kind, behaviour, current, options, nowMs: services.clock.now() });
    },
  });
  if (outcome !== 'removed') {
    const code = options.orphanDependents === false ? 202 : 200;
    return { code, object, kind, ...(cached && { cached }) };
  }
  if (behaviour?.returnsDeleted) return { code: 200, object, kind };
  return { code: 200, object: successStatus(kind, object) };
}

/** By this server itself, of which nobody is asked whether it may. Throws NotFound. */
export async function removeUnasked(
  kind: Kind,
  at: At,
  { stored, behaviours, clock }: Pick<VerbServices, 'stored' | 'behaviours' | 'clock'>,
): Promise<void> {
  await stored.update(kind, at, {
    change: (current) =>
      deletionOf({ kind, behaviour: behaviours.of(kind), current: current!, options: {}, nowMs: clock.now() }),
  });
}

const asSent = (options: DeleteOptions): object => ({
  ...options,
  kind: 'DeleteOptions',
  apiVersion: 'meta.k8s.io/v1',
});

const successStatus = (kind: Kind, { metadata }: KubeObject): object => ({
  kind: 'Status',
  apiVersion: 'v1',
  metadata: {},
  status: 'Success',
  details: { name: metadata.name, ...(kind.group && { group: kind.group }), kind: kind.plural, uid: metadata.uid },
});

/** Throws Conflict. */
export function refuseUnmetPreconditions(
  kind: Kind,
  { metadata }: KubeObject,
  { preconditions = {} }: DeleteOptions,
): void {
  const { uid, resourceVersion } = preconditions;
  const refuse = (why: string) => conflict({ group: kind.group, plural: kind.kind }, metadata.name, why);
  if (uid && uid !== metadata.uid)
    throw refuse(
      `the UID in the precondition (${uid}) does not match the UID in record (${metadata.uid}). The object might have been deleted and then recreated`,
    );
  if (resourceVersion && resourceVersion !== metadata.resourceVersion)
    throw refuse(
      `the ResourceVersion in the precondition (${resourceVersion}) does not match the ResourceVersion in record (${metadata.resourceVersion}). The object might have been modified`,
    );
}

interface Deletion<T extends KubeObject> {
  kind: Kind<T>;
  behaviour: Behaviour<T> | undefined;
  current: T;
  options: DeleteOptions;
  nowMs: number;
}

function deletionOf<T extends KubeObject>(deletion: Deletion<T>): Change<T> {
  const { kind, behaviour, current, options, nowMs } = deletion;
  const grace = graceOf(deletion);
  if (grace === 'pending') return 'leave';
  const finalizers = finalizersFor(kind, current.metadata, options);
  const waits = finalizers.length > 0 || behaviour?.mayBeRemoved?.(current) === false;
  if (!waits && !(typeof grace === 'number' && grace > 0)) {
    const released = behaviour?.onRemove?.(current);
    return { remove: current, ...(released && { alongside: released }) };
  }
  const metadata = { ...markedMetadata(current.metadata, { graceSeconds: grace, nowMs }), finalizers };
  if (finalizers.length === 0) delete (metadata as Partial<ObjectMeta>).finalizers;
  const marked = { ...current, metadata };
  return { put: behaviour?.markDeleting?.(marked, { nowMs }) ?? marked };
}

/**
 * Seconds that somebody has to stop the object; undefined when its kind does not stop gracefully or it is being deleted
 * without grace already; 'pending' when a deletion is under way that this one does not shorten.
 */
function graceOf<T extends KubeObject>({ kind, current, options }: Deletion<T>): number | undefined | 'pending' {
  if (!kind.gracefulDeletion) return undefined;
  const { deletionTimestamp, deletionGracePeriodSeconds } = current.metadata;
  if (deletionTimestamp) {
    if (!deletionGracePeriodSeconds) return undefined;
    const { gracePeriodSeconds } = options;
    if (gracePeriodSeconds === undefined || gracePeriodSeconds >= deletionGracePeriodSeconds) return 'pending';
    return Math.max(gracePeriodSeconds, 0);
  }
  if (kind.gracefulDeletion.goesAtOnce?.(current)) return 0;
  const wanted = options.gracePeriodSeconds ?? kind.gracefulDeletion.defaultSeconds(current);
  return wanted < 0 ? 1 : wanted;
}

/** Marked for the first time, or with its end moved closer. */
function markedMetadata(
  metadata: ObjectMeta,
  { graceSeconds = 0, nowMs }: { graceSeconds: number | undefined; nowMs: number },
): ObjectMeta {
  const { deletionTimestamp, deletionGracePeriodSeconds, generation } = metadata;
  if (!deletionTimestamp)
    return {
      ...metadata,
      ...(generation && { generation: generation + 1 }),
      deletionTimestamp: timestampOf(nowMs + graceSeconds * 1000),
      deletionGracePeriodSeconds: graceSeconds,
    };
  const beganMs = Date.parse(deletionTimestamp) - (deletionGracePeriodSeconds ?? 0) * 1000;
  const endMs = Math.min(beganMs + graceSeconds * 1000, Date.parse(deletionTimestamp));
  return { ...metadata, deletionTimestamp: timestampOf(endMs), deletionGracePeriodSeconds: graceSeconds };
}
