/**
 * Where a submitted object says it belongs against where the URL says, and the metadata that only the server assigns.
 */
import type { Kind } from '#api/machinery/kind.ts';
import { type KubeObject, type ObjectMeta, withMeta, withParts } from '#api/machinery/object.ts';
import { badRequest } from '#api/machinery/status.ts';
import { formatSeconds } from '#api/machinery/timestamp.ts';
import type { Clock } from '#base/clock.ts';
import { type Random, randomSuffix, randomUuid } from '#base/random.ts';

/** 63 characters less the suffix: longer prefixes are cut. */
const MAX_GENERATED_PREFIX = 58;

/** Fills in the namespace of the URL. Throws BadRequest when the object names another. */
export function inNamespace<T extends KubeObject>(kind: Kind, object: T, namespace: string): T {
  const own = object.metadata.namespace ?? '';
  if (kind.scope === 'Cluster') {
    if (!own) return object;
    const { namespace: _, ...metadata } = object.metadata;
    return withParts(object, { metadata });
  }
  if (own === namespace) return object;
  if (own) throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  return withParts(object, { metadata: withMeta(object.metadata, { namespace }) });
}

/** Throws BadRequest when the body of an update is about another object than its URL. */
export function refuseOtherName(object: KubeObject, name: string): void {
  const own = object.metadata.name ?? '';
  if (!own) throw badRequest('name must be provided');
  if (own !== name) throw badRequest(`the name of the object (${own}) does not match the name on the URL (${name})`);
}

/** Without what a create must not bring along. */
export function withoutSystemFields<T extends KubeObject>(object: T): T {
  const { uid, creationTimestamp, deletionTimestamp, deletionGracePeriodSeconds, selfLink, ...metadata } =
    object.metadata;
  return withParts(object, { metadata: metadata as ObjectMeta });
}

/** A name when it is to be generated, a uid, and the time. */
export function withIdentity<T extends KubeObject>(object: T, { clock, random }: { clock: Clock; random: Random }): T {
  const { name, generateName } = object.metadata;
  const generated = !name && generateName && generateName.slice(0, MAX_GENERATED_PREFIX) + randomSuffix(random);
  const metadata = withMeta(object.metadata, generated && { name: generated }, {
    uid: randomUuid(random),
    creationTimestamp: timestampOf(clock.now()),
  });
  return withParts(object, { metadata });
}

export const needsNameGeneration = ({ metadata }: KubeObject): boolean => !metadata.name && !!metadata.generateName;

/** metav1.Time: whole seconds. */
export const timestampOf = (nowMs: number): string => formatSeconds(Math.floor(nowMs / 1000)) ?? '';
