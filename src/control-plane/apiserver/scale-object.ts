/**
 * An object as its Scale, and back: which fields those are says its kind. Pure. Source: autoscaling/v1 Scale.
 */
import { Scale as ScaleKind } from '#api/autoscaling/v1/scale.ts';
import type { Kind } from '#api/machinery/kind.ts';
import type { KubeObject, ObjectMeta } from '#api/machinery/object.ts';
import { deepFreeze } from '#base/deep-freeze.ts';
import type { Reply } from './resource-call.ts';

export interface Scale extends KubeObject {
  spec: { replicas?: number };
  status: { replicas: number; selector?: string };
}

export const SCALE = { group: 'autoscaling', version: 'v1', kind: 'Scale' };

export const withReplicas = (kind: Kind, object: KubeObject, replicas: number): KubeObject =>
  withField(object, fieldsOf(kind.scale!.replicas), replicas) as KubeObject;

/** Whether the object says how many there shall be. */
export const hasReplicas = (kind: Kind, object: KubeObject): boolean =>
  valueAt(object, fieldsOf(kind.scale!.replicas)) !== undefined;

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

/** The Scale of an object, shown as any Scale is. */
export const scaleReply = (kind: Kind, object: KubeObject, code = 200): Reply => ({
  code,
  object: scaleOf(kind, object),
  kind: ScaleKind as unknown as Kind,
});

/** `.spec.replicas` → ['spec', 'replicas']. */
export const fieldsOf = (path: string): string[] => path.split('.').filter((field) => field !== '');

function numberAt(object: unknown, fields: readonly string[]): number {
  const value = valueAt(object, fields);
  return typeof value === 'number' ? value : 0;
}

function valueAt(object: unknown, fields: readonly string[]): unknown {
  let value = object;
  for (const field of fields) value = (value as Record<string, unknown> | undefined)?.[field];
  return value;
}

function withField(object: unknown, [field, ...deeper]: readonly string[], value: unknown): unknown {
  if (field === undefined) return value;
  const fields = (object ?? {}) as Record<string, unknown>;
  return { ...fields, [field]: withField(fields[field], deeper, value) };
}
