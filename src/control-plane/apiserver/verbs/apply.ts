/** Server-side apply: PATCH with a configuration, which makes the object when there is none. Source: "Server-Side Apply"; upstream's handlers/patch.go. */
import { invalidValue } from '#api/machinery/field-error.ts';
import { fieldOf, type JsonObject } from '#api/machinery/json-value.ts';
import { apiVersionOf, type Kind } from '#api/machinery/kind.ts';
import { fieldsOfConfiguration } from '#api/machinery/managed-fields/applied-configuration.ts';
import type { FieldSet } from '#api/machinery/managed-fields/field-set.ts';
import { type Application, applyConfiguration } from '#api/machinery/managed-fields/field-tracking.ts';
import {
  fieldsLastApplied,
  LAST_APPLIED_MANAGER,
  withLastApplied,
} from '#api/machinery/managed-fields/last-applied.ts';
import type { KubeObject, ManagedFieldsEntry } from '#api/machinery/object.ts';
import { conflict, hasReason, invalid, StatusError } from '#api/machinery/status.ts';
import type { Soon } from '#base/soon.ts';
import { reshape, shapedTypeOf } from '../decode-object.ts';
import type { VerbServices } from '../registry/behaviour.ts';
import type { Reply, ResourceCall } from '../resource-call.ts';
import { isForced, judgeDuplicates, readConfiguration } from './apply-body.ts';
import { withManagedFields, writerOf } from './field-management.ts';
import { fieldShapeOf, withVersions } from './field-versions.ts';
import { inNamespace } from './object-identity.ts';
import { updateStored } from './stored-update.ts';
import { createUnasked } from './update.ts';
import { writeOptionsOf } from './write-options.ts';

const MAX_ATTEMPTS = 5;

export async function apply<T extends KubeObject>(call: ResourceCall<T>, services: VerbServices): Promise<Reply> {
  const { info } = call;
  const { dryRun, fieldValidation } = writeOptionsOf(info.query, 'PatchOptions'); //      422 Invalid
  const force = isForced(info.query); //                                                  422 Invalid
  const { configuration, duplicates } = readConfiguration(call.kind, call); //            400 BadRequest
  const applied = applierOf(call, { configuration, force }, services); //                 500
  judgeDuplicates(duplicates, { fieldValidation, warn: call.warn }); //                   400 BadRequest
  for (let attempt = 1; ; attempt++) {
    try {
      return await updateStored(call, { next: applied, dryRun, isApply: true }, services); // 404, 409, 422, 403
    } catch (error) {
      if (!hasReason(error, 'NotFound') || info.subresource !== '') throw error;
    }
    try {
      refuseUid(call, configuration);
      return await createUnasked(call, { object: await applied(undefined), dryRun }, services);
    } catch (error) {
      // Somebody else made it meanwhile: then it is applied to that.
      if (!hasReason(error, 'AlreadyExists') || attempt === MAX_ATTEMPTS) throw error;
    }
  }
}

/** What a configuration makes of an object, or of none. */
function applierOf<T extends KubeObject>(
  call: ResourceCall<T>,
  { configuration, force }: { configuration: JsonObject; force: boolean },
  services: VerbServices,
): (current: T | undefined) => Soon<T> {
  const { kind, info } = call;
  const shape = fieldShapeOf(call.kind as unknown as Kind);
  const named = namedBy(configuration, call);
  const refuse = (problem: string) =>
    invalid({ group: '', kind: '' }, '', [invalidValue('patch', JSON.stringify(configuration), problem)]);
  const type = shapedTypeOf(kind);
  return (current) => {
    const live = current as unknown as JsonObject | undefined;
    const writer = writerOf(call as unknown as ResourceCall, services);
    const isKubectl = writer.manager === LAST_APPLIED_MANAGER;
    const application: Omit<Application, 'inVersion'> = {
      configuration,
      named,
      force,
      shape,
      writer,
      ...(live && isKubectl && { free: () => fieldsLastApplied(live, shape) }),
      reshape: (merged) => reshape(type, merged, { from: live, refuse }).object as JsonObject,
    };
    return withVersions(kind as unknown as Kind, services.kinds, (inVersion) => {
      const { object, managedFields } = applyConfiguration(live, { ...application, inVersion });
      const synced = live && isKubectl ? withLastApplied(object, configuration) : object;
      const next = kind.defaults(synced as unknown as T);
      return withManagedFields(
        inNamespace(kind, next, info.namespace),
        managedFields as ManagedFieldsEntry[] | undefined,
      );
    });
  };
}

/** Throws what upstream throws: an error that is no Status there. */
function namedBy(configuration: JsonObject, call: { kind: Kind; info: ResourceCall['info'] }): FieldSet | undefined {
  const { kind, info } = call;
  const result = fieldsOfConfiguration(configuration, fieldShapeOf(kind));
  if ('set' in result) return result.set;
  const { problems } = result;
  const text = problems.length === 1 ? problems[0] : `errors:\n${problems.map((problem) => `  ${problem}`).join('\n')}`;
  const what = `${info.namespace}/${info.name}; ${apiVersionOf(kind)}, Kind=${kind.kind}`;
  throw new StatusError('', `failed to create typed patch object (${what}): ${text}`);
}

function refuseUid({ kind, info }: Pick<ResourceCall, 'kind' | 'info'>, configuration: JsonObject): void {
  const uid = fieldOf(configuration.metadata as JsonObject, 'uid');
  if (!uid) return;
  const why = `uid mismatch: the provided object specified uid ${uid}, and no existing object was found`;
  throw conflict(kind, info.name, why);
}
