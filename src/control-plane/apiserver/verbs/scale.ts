/**
 * `scale`: one shape for everything that has a number of replicas, under the resourceVersion of the object itself. A
 * change of it is a change of that one field. Source: autoscaling/v1 Scale.
 */

import { invalidValue } from '#api/machinery/field-error.ts';
import type { Kind } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { badRequest, internalError, invalid, modified, notFound } from '#api/machinery/status.ts';
import { decodeBody, shapedTypeOf } from '../decode-object.ts';
import type { VerbServices } from '../registry/behaviour.ts';
import { locationOf, type Reply, type ResourceCall } from '../resource-call.ts';
import { hasReplicas, SCALE, type Scale, scaleOf, scaleReply, withReplicas } from '../scale-object.ts';
import { readPatch } from './patch-body.ts';
import { updateStored } from './stored-update.ts';
import { writeOptionsOf } from './write-options.ts';
import { mediaTypeOf } from '../request-body.ts';
import { applyScale } from './apply-scale.ts';
import { APPLY_PATCH } from './patch-body.ts';

export async function getScale(call: ResourceCall, { stored }: VerbServices): Promise<Reply> {
  const object = await stored.get(call.kind, locationOf(call));
  if (!object) throw notFound(call.kind, call.info.name);
  refuseWithoutReplicas(call.kind, object);
  return scaleReply(call.kind, object);
}

export async function updateScale(call: ResourceCall, services: VerbServices): Promise<Reply> {
  const { dryRun, fieldValidation } = writeOptionsOf(call.info.query, 'UpdateOptions');
  const scale = decodeBody(SCALE, call.body, { fieldValidation, warn: call.warn }) as unknown as Scale;
  return writeScale(call, { scaleFor: () => scale, dryRun }, services);
}

export async function patchScale(call: ResourceCall, services: VerbServices): Promise<Reply> {
  if (mediaTypeOf(call.body?.contentType) === APPLY_PATCH) return applyScale(call, services);
  const { dryRun, fieldValidation } = writeOptionsOf(call.info.query, 'PatchOptions');
  const patch = readPatch(shapedTypeOf(SCALE), call.body);
  const scaleFor = (current: Scale) => patch(current, { fieldValidation, warn: call.warn }) as unknown as Scale;
  return writeScale(call, { scaleFor, dryRun }, services);
}

/** A custom kind need not have the field that its definition names; a built-in one has a default. */
function refuseWithoutReplicas(kind: Kind, object: KubeObject): void {
  if (kind.facts || !kind.scale || hasReplicas(kind, object)) return;
  throw internalError(`the spec replicas field ${JSON.stringify(kind.scale.replicas)} does not exist`);
}

async function writeScale(
  call: ResourceCall,
  { scaleFor, dryRun }: { scaleFor: (current: Scale) => Scale; dryRun: boolean },
  services: VerbServices,
): Promise<Reply> {
  const { kind, info } = call;
  const next = (current: KubeObject) => withReplicasOf(call, scaleFor(scaleOf(kind, current)), current);
  const reply = await updateStored({ ...call, info: { ...info, subresource: 'scale' } }, { next, dryRun }, services);
  return 'object' in reply ? scaleReply(kind, reply.object as KubeObject, reply.code) : reply;
}

function withReplicasOf({ kind, info }: ResourceCall, scale: Scale, current: KubeObject): KubeObject {
  const { name, resourceVersion, uid } = scale.metadata ?? {};
  if (name && name !== info.name)
    throw badRequest(`the name of the object (${name}) does not match the name on the URL (${info.name})`);
  if (resourceVersion && resourceVersion !== current.metadata.resourceVersion) throw modified(kind, info.name);
  const replicas = scale.spec?.replicas ?? 0;
  if (replicas < 0)
    throw invalid({ group: SCALE.group, kind: SCALE.kind }, info.name, [
      invalidValue('spec.replicas', replicas, 'must be greater than or equal to 0'),
    ]);
  const next = withReplicas(kind, current, replicas);
  return uid ? { ...next, metadata: { ...next.metadata, uid } } : next;
}
