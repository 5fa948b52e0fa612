/**
 * The way of every change of a stored object, whether it came as a whole (PUT), as a patch or through a subresource.
 * Runs again from the new state when somebody else was faster. Order as upstream's registry/store.go, Update.
 */

import { invalidValue } from '#api/machinery/field-error.ts';
import { keepSame } from '#api/machinery/keep-same.ts';
import { type KubeObject, withMeta, withParts } from '#api/machinery/object.ts';
import { conflict, internalError, invalid, modified } from '#api/machinery/status.ts';
import { deepFreeze } from '#base/deep-freeze.ts';
import type { Prepared, VerbServices } from '../registry/behaviour.ts';
import { AlongsideTaken, type Change, keyIn } from '../registry/stored-objects.ts';
import { admissionRequest, locationOf, objectReply, type Reply, type ResourceCall } from '../resource-call.ts';
import { withManagedFieldsOfUpdate, withReadableAccount, withTimesOfNoChange } from './field-management.ts';

const MAX_ALLOCATION_ATTEMPTS = 16;

export interface StoredUpdate<T> {
  /** What the client wants in place of `current`. May throw StatusError. */
  next: (current: T) => T | Promise<T>;
  dryRun: boolean;
  /** `next` keeps account itself of who manages which field. */
  isApply?: boolean;
}

export async function updateStored<T extends KubeObject>(
  call: ResourceCall<T>,
  update: StoredUpdate<T>,
  services: VerbServices,
): Promise<Reply> {
  for (let allocations = MAX_ALLOCATION_ATTEMPTS; ; ) {
    try {
      const result = await services.stored.update(call.kind, locationOf(call), {
        dryRun: update.dryRun,
        change: (current) => changeOf(call, { current: current!, ...update }, services),
      });
      return objectReply(call.kind, result);
    } catch (error) {
      if (!(error instanceof AlongsideTaken)) throw error;
      if (--allocations === 0) throw internalError(error.message, error);
    }
  }
}

async function changeOf<T extends KubeObject>(
  call: ResourceCall<T>,
  { next, current, dryRun, isApply }: StoredUpdate<T> & { current: T },
  services: VerbServices,
): Promise<Change<T>> {
  const { kind, info } = call;
  const behaviour = services.behaviours.of(kind);
  const asked = next(current);
  const submitted = keepSame(asked instanceof Promise ? await asked : asked, current);
  const tracked = isApply ? submitted : withManagedFieldsOfUpdate(call, { live: current, next: submitted }, services);
  const wanted = tracked instanceof Promise ? await tracked : tracked;
  refuseOtherUid(call, wanted, current); //                                                409 Conflict
  const request = admissionRequest(call, { verb: 'update', object: wanted, old: current, dryRun });
  const mutating = services.admission.mutate(request); //                                  403 Forbidden
  const mutated = ((mutating instanceof Promise ? await mutating : mutating) ?? wanted) as T;
  const admitted = withReadableAccount(mutated, wanted, call.warn);
  const versioned = atCurrentVersion(call, admitted, current); //                          409 Conflict, 422 Invalid
  const hook = info.subresource === 'status' ? 'beforeStatusUpdate' : 'beforeUpdate';
  const prepared: Prepared<T> = behaviour?.[hook]
    ? ((await behaviour[hook](versioned, current, {
        services,
        user: call.user,
        verb: info.verb,
        dryRun,
      })) as Prepared<T>)
    : { object: versioned };
  const changed = kind.prepareForUpdate(prepared.object, current, info.subresource);
  const object = deepFreeze(withTimesOfNoChange(changed, current));
  const errors = kind.validateUpdate(object, current, info.subresource);
  if (errors.length > 0) throw invalid(kind, object.metadata.name, errors); //             422 Invalid
  if (info.subresource === '' || kind.custom) for (const text of kind.warnings(object, current)) call.warn(text);
  if (behaviour?.warnings && info.subresource === '') for (const text of behaviour.warnings(object)) call.warn(text);
  const validating = services.admission.validate({ ...request, object }); //               403 Forbidden
  if (validating instanceof Promise) await validating;
  const { alongside } = prepared;
  if (!isFinished(object, current) || behaviour?.mayBeRemoved?.(object) === false)
    return { put: object, ...(alongside && { alongside }) };
  const released = behaviour?.onRemove?.(object);
  return { remove: object, ...(released && { alongside: released }) };
}

/** The last finalizer is gone, and nothing else keeps what was told to go. */
function isFinished({ metadata }: KubeObject, { metadata: current }: KubeObject): boolean {
  if (metadata.finalizers?.length || !current.deletionTimestamp) return false;
  return !current.deletionGracePeriodSeconds;
}

/** Throws Conflict when the client saw another version. Without one it means the newest, where the kind allows that. */
function atCurrentVersion<T extends KubeObject>({ kind, info }: ResourceCall<T>, next: T, current: T): T {
  const { resourceVersion } = current.metadata;
  const seen = next.metadata.resourceVersion;
  if (seen === resourceVersion) return next;
  if (seen && seen !== '0') throw modified(kind, info.name);
  if (!kind.allowUnconditionalUpdate)
    throw invalid({ group: kind.group, kind: kind.plural }, info.name, [
      invalidValue('metadata.resourceVersion', 0, 'must be specified for an update'),
    ]);
  return withParts(next, { metadata: withMeta(next.metadata, { resourceVersion }) });
}

function refuseOtherUid<T extends KubeObject>({ kind, info }: ResourceCall<T>, next: T, current: T): void {
  const { uid } = next.metadata;
  if (!uid || uid === current.metadata.uid) return;
  const key = keyIn(kind, current.metadata);
  const why = `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${current.metadata.uid}`;
  throw conflict(
    kind,
    info.name,
    `StorageError: invalid object, Code: 4, Key: ${key}, ResourceVersion: 0, AdditionalErrorMsg: ${why}`,
  );
}
