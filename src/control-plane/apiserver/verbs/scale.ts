/**
 * `scale`: one shape for everything that has a number of replicas, under the resourceVersion of the object itself. A
 * change of it is a change of that one field. Source: autoscaling/v1 Scale.
 */

import { invalidValue } from '#api/machinery/field-error.ts';
import type { Kind } from '#api/machinery/kind.ts';
import type { KubeObject, ObjectMeta } from '#api/machinery/object.ts';
import { badRequest, invalid, modified, notFound } from '#api/machinery/status.ts';
import { deepFreeze } from '#base/deep-freeze.ts';
import { decodeBody, shapedTypeOf } from '../decode-object.ts';
import type { VerbServices } from '../registry/behaviour.ts';
import { locationOf, type Reply, type ResourceCall } from '../resource-call.ts';
import { readPatch } from './patch-body.ts';
import { updateStored } from './stored-update.ts';
import { writeOptionsOf } from './write-options.ts';

export interface Scale extends KubeObject {
  spec: { replicas?: number };
  status: { replicas: number; selector?: string };
}

export const SCALE = { group: 'autoscaling', version: 'v1', kind: 'Scale' };

export async function getScale(call: ResourceCall, { stored }: VerbServices): Promise<Reply> {
  const object = await stored.get(call.kind, locationOf(call));
  if (!object) throw notFound(call.kind, call.info.name);
  return { code: 200, object: scaleOf(call.kind, object) };
}

export async function updateScale(call: ResourceCall, services: VerbServices): Promise<Reply> {
  const { dryRun, fieldValidation } = writeOptionsOf(call.info.query, 'UpdateOptions');
  const scale = decodeBody(SCALE, call.body, { fieldValidation, warn: call.warn }) as unknown as Scale;
  return writeScale(call, { scaleFor: () => scale, dryRun }, services);
}

export async function patchScale(call: ResourceCall, services: VerbServices): Promise<Reply> {
  const { dryRun, fieldValidation } = writeOptionsOf(call.info.query, 'PatchOptions');
  const patch = readPatch(shapedTypeOf(SCALE), call.body);
  const scaleFor = (current: Scale) => patch(current, { fieldValidation, warn: call.warn }) as unknown as Scale;
  return writeScale(call, { scaleFor, dryRun }, services);
}

async function writeScale(
  call: ResourceCall,
  { scaleFor, dryRun }: { scaleFor: (current: Scale) => Scale; dryRun: boolean },
  services: VerbServices,
): Promise<Reply> {
  const { kind, info } = call;
  const next = (current: KubeObject) => withReplicasOf(call, scaleFor(scaleOf(kind, current)), current);
  const reply = await updateStored({ ...call, info: { ...info, subresource: 'scale' } }, { next, dryRun }, services);
  return 'object' in reply ? { code: reply.code, object: scaleOf(kind, reply.object as KubeObject) } : reply;
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

export const withReplicas = (kind: Kind, object: KubeObject, replicas: number): KubeObject =>
  withField(object, fieldsOf(kind.scale!.replicas), replicas) as KubeObject;

export function scaleOf(kind: Kind, object: KubeObject): Scale {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const scale = kind.scale!;
  const selector = scale.selector(object);
  return deepFreeze({
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: { name, ...(namespace && { namespace }), uid, resourceVersion, creationTimestamp } as ObjectMeta,
    spec: { replicas: numberAt(object, fieldsOf(scale.replicas)) },
    status: { replicas: numberAt(object, fieldsOf(scale.statusReplicas)), ...(selector && { selector }) },
  });
}

/** `.spec.replicas` → ['spec', 'replicas']. */
const fieldsOf = (path: string): string[] => path.split('.').filter((field) => field !== '');

function numberAt(object: unknown, fields: readonly string[]): number {
  let value = object;
  for (const field of fields) value = (value as Record<string, unknown> | undefined)?.[field];
  return typeof value === 'number' ? value : 0;
}

function withField(object: unknown, [field, ...deeper]: readonly string[], value: unknown): unknown {
  if (field === undefined) return value;
  const fields = (object ?? {}) as Record<string, unknown>;
  return { ...fields, [field]: withField(fields[field], deeper, value) };
}
