/**
 * A controller makes many objects of one template, and hands in the very same specification with each of them. It is read and given
 * its defaults once; what comes out is shared by all of them, and so is what admission makes of it.
 */
import { keepSame } from '#api/machinery/keep-same.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { type KubeObject, withParts } from '#api/machinery/object.ts';
import { isShared, share } from '#api/machinery/shared-parts.ts';
import { deepFreeze, isDeeplyFrozen } from '#base/deep-freeze.ts';
import type { RequestBody } from './request-body.ts';

type Specified = KubeObject & { spec?: unknown };

/** By what was handed in. */
const decodedSpecs = new WeakMap<object, { kind: Kind; spec: object }>();

/** The same body with what its specification was decoded to before, if it was; `from` to have it left as it is. */
export function bodyWithDecodedSpec(kind: Kind, body: RequestBody | undefined) {
  const given = frozenSpecOf(body);
  const known = given && decodedSpecs.get(given);
  if (known?.kind !== kind) return undefined;
  const { spec } = known;
  return { body: { ...body!, object: withParts(objectIn(body) as Specified, { spec }) }, from: { spec } };
}

/** After a body without a fault was decoded. What somebody could still change is not kept. */
export function keepDecodedSpec(kind: Kind, body: RequestBody | undefined, { spec }: Specified): void {
  const given = frozenSpecOf(body);
  if (!given || !isObject(spec) || !hasSpecByItself(kind) || decodedSpecs.has(given) || !isDeeplyFrozen(given)) return;
  decodedSpecs.set(given, { kind, spec: share(spec) });
}

/** A version that is not stored may have the rest of what is stored in annotations, and then goes by those. */
const hasSpecByItself = ({ custom, hub }: Kind): boolean => !custom && !hub;

function frozenSpecOf(body: RequestBody | undefined): object | undefined {
  const { spec } = (objectIn(body) ?? {}) as { spec?: unknown };
  return isObject(spec) && Object.isFrozen(spec) ? spec : undefined;
}

const objectIn = (body: RequestBody | undefined): unknown => (body && 'object' in body ? body.object : undefined);
const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

/** By what admission was asked about. */
const admittedSpecs = new WeakMap<object, object>();

/** Of a shared specification admission makes mostly the same again: then that is shared, too. */
export function withSpecAsAdmittedBefore<T extends KubeObject>(admitted: T, asked: T): T {
  const [{ spec }, { spec: before }] = [admitted, asked] as [Specified, Specified];
  if (spec === before || !isShared(before) || !isObject(spec)) return admitted;
  const known = admittedSpecs.get(before);
  const kept = keepSame(spec, known);
  if (kept !== known) admittedSpecs.set(before, deepFreeze(kept));
  else if (!isShared(kept)) share(kept);
  return kept === spec ? admitted : withParts(admitted, { spec: kept });
}
