/**
 * Server-side apply of a Scale: what it says of replicas is applied to the object's own field, wherever that is, and belongs to
 * the manager under the subresource `scale`. Source: "Server-Side Apply"; apimachinery, managedfields ScaleHandler.
 */
import { facts } from '#api/generated/facts.ts';
import { invalidValue } from '#api/machinery/field-error.ts';
import type { JsonObject } from '#api/machinery/json-value.ts';
import { apiVersionOf } from '#api/machinery/kind.ts';
import { fieldsOfConfiguration } from '#api/machinery/managed-fields/applied-configuration.ts';
import type { Conflict } from '#api/machinery/managed-fields/conflicts.ts';
import { type FieldSet, MEMBER } from '#api/machinery/managed-fields/field-set.ts';
import { shapeOfKind } from '#api/machinery/managed-fields/field-shape.ts';
import { applyConfiguration } from '#api/machinery/managed-fields/field-tracking.ts';
import type { KubeObject, ManagedFieldsEntry } from '#api/machinery/object.ts';
import { internalError, invalid, modified, StatusError } from '#api/machinery/status.ts';
import type { Soon } from '#base/soon.ts';
import { reshape, shapedTypeOf } from '../decode-object.ts';
import type { VerbServices } from '../registry/behaviour.ts';
import type { Reply, ResourceCall } from '../resource-call.ts';
import { fieldsOf, SCALE, type Scale, scaleReply } from '../scale-object.ts';
import { isForced, judgeDuplicates, readConfiguration } from './apply-body.ts';
import { withManagedFields, writerOf } from './field-management.ts';
import { fieldShapeOf, withVersions } from './field-versions.ts';
import { updateStored } from './stored-update.ts';
import { writeOptionsOf } from './write-options.ts';

/** A client that applies a Scale knows one place of it. */
const REPLICAS_OF_SCALE: FieldSet = { 'f:spec': { 'f:replicas': MEMBER } };

export async function applyScale(call: ResourceCall, services: VerbServices): Promise<Reply> {
  const { kind, info, warn } = call;
  const { dryRun, fieldValidation } = writeOptionsOf(info.query, 'PatchOptions'); // 422 Invalid
  const force = isForced(info.query); //                                             422 Invalid
  const { configuration, duplicates } = readConfiguration(SCALE, call); //           400 BadRequest
  judgeDuplicates(duplicates, { fieldValidation, warn }); //                         400 BadRequest
  refuseUnknown(configuration, call); //                                             500
  const scale = configuration as unknown as Scale;
  const replicas = scale.spec?.replicas === undefined ? undefined : goodReplicas(scale, info.name); // 422 Invalid
  const ofScale = { ...call, info: { ...info, subresource: 'scale' } };
  const next = (current: KubeObject): Soon<KubeObject> => {
    const { resourceVersion } = scale.metadata;
    if (resourceVersion && resourceVersion !== current.metadata.resourceVersion) throw modified(kind, info.name);
    return applied(ofScale, { current, replicas, force }, services);
  };
  const reply = await updateStored(ofScale, { next, dryRun, isApply: true }, services); // 404, 409, 422, 403
  return 'object' in reply ? scaleReply(kind, reply.object as KubeObject, reply.code) : reply;
}

function applied(
  call: ResourceCall,
  { current, replicas, force }: { current: KubeObject; replicas: number | undefined; force: boolean },
  services: VerbServices,
): Soon<KubeObject> {
  const { kind } = call;
  const path = fieldsOf(kind.scale!.replicas);
  const elements = path.map((field) => `f:${field}`);
  const application = {
    configuration: (replicas === undefined ? {} : nested(path, replicas)) as JsonObject,
    named: replicas === undefined ? undefined : (nested(elements, MEMBER) as FieldSet),
    force,
    shape: fieldShapeOf(kind),
    writer: writerOf(call, services),
    told: (conflict: Conflict) => ({
      with: { ...conflict.with, apiVersion: apiVersionOf(SCALE) },
      set: REPLICAS_OF_SCALE,
    }),
    reshape: (merged: JsonObject) =>
      reshape(shapedTypeOf(kind), merged, { from: current, refuse: internalError }).object as JsonObject,
  };
  return withVersions(kind, services.kinds, (inVersion) => {
    const live = current as unknown as JsonObject;
    const { object, managedFields } = applyConfiguration(live, { ...application, inVersion });
    const next = kind.defaults(object as unknown as KubeObject);
    return withManagedFields(next, managedFields as ManagedFieldsEntry[] | undefined);
  });
}

/** Throws Invalid. */
function goodReplicas({ spec }: Scale, name: string): number {
  const { replicas = 0 } = spec;
  if (replicas >= 0) return replicas;
  throw invalid(SCALE, name, [invalidValue('spec.replicas', replicas, 'must be greater than or equal to 0')]);
}

const nested = (path: readonly string[], value: unknown): unknown =>
  path.reduceRight<unknown>((inner, field) => ({ [field]: inner }), value);

/** Throws what upstream throws: an error that is no Status there. */
function refuseUnknown(configuration: JsonObject, { info }: Pick<ResourceCall, 'info'>): void {
  const shape = shapeOfKind(facts, facts.typeOfKind(SCALE.group, SCALE.version, SCALE.kind));
  const named = fieldsOfConfiguration(configuration, shape);
  if (!('problems' in named)) return;
  const what = `${info.namespace}/${info.name}; ${apiVersionOf(SCALE)}, Kind=${SCALE.kind}`;
  throw new StatusError('', `failed to create typed patch object (${what}): ${named.problems.join('; ')}`);
}
