/**
 * Accounts of fields name the version that each was set through, and a field may have another name in each: so what a write
 * changed is looked at in all of them. Source: "Server-Side Apply"; structured-merge-diff, merge.Updater.
 */
import { facts } from '#api/generated/facts.ts';
import type { Converter, Kind, KindRegistry } from '#api/machinery/kind.ts';
import { type Shape, shapeOfKind } from '#api/machinery/managed-fields/field-shape.ts';
import type { InVersion } from '#api/machinery/managed-fields/field-tracking.ts';
import { shapeOfSchema } from '#api/machinery/managed-fields/schema-shape.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { StatusError } from '#api/machinery/status.ts';
import type { Soon } from '#base/soon.ts';
import { fromHub, hubOf, toHub } from '../registry/caches.ts';
import { withoutRevision } from '../registry/stored-objects.ts';

export const fieldShapeOf = (kind: Kind): Shape =>
  kind.custom ? shapeOfSchema(facts, kind.custom.schema) : shapeOfKind(facts, kind.facts);

/**
 * Lets `account` see objects of `kind` in other served versions. Where a webhook makes those, `account` runs again once they are
 * there: it must do nothing but reckon. Throws a StatusError when the webhook does not make them.
 */
export function withVersions<T>(kind: Kind, kinds: KindRegistry, account: (inVersion: InVersion) => T): Soon<T> {
  const { converter } = kind;
  if (converter) return withConversions(kind, { kinds, converter }, account);
  return account((object, apiVersion) => {
    const other = inOtherVersion(kind, apiVersion, kinds);
    if (!other) return undefined;
    const shown = other === kind ? object : fromHub(other, toHub(kind, object as KubeObject));
    return { object: shown, shape: fieldShapeOf(other) };
  });
}

/** undefined when the version is not one of this kind, or served no longer. */
function inOtherVersion(kind: Kind, apiVersion: string, kinds: KindRegistry): Kind | undefined {
  const [version = '', group = ''] = apiVersion.split('/').reverse();
  const other = kinds.byKind(group, version, kind.kind);
  return other && hubOf(other).storagePrefix === hubOf(kind).storagePrefix ? other : undefined;
}

async function withConversions<T>(
  kind: Kind,
  { kinds, converter }: { kinds: KindRegistry; converter: Converter },
  account: (inVersion: InVersion) => T,
): Promise<T> {
  /** By version, then by what the object says: a second run makes equal objects, not the same ones. */
  const made = new Map<string, Map<string, KubeObject>>();
  for (;;) {
    const missing = new Map<string, Map<string, KubeObject>>();
    const inVersion: InVersion = (object, apiVersion) => {
      const other = inOtherVersion(kind, apiVersion, kinds);
      if (!other) return undefined;
      const shape = fieldShapeOf(other);
      if (other === kind) return { object, shape };
      const text = JSON.stringify(object);
      const there = made.get(apiVersion)?.get(text);
      if (there) return { object: other.custom?.shaped(there) ?? there, shape };
      of(missing, apiVersion).set(text, object as KubeObject);
      return undefined;
    };
    const outcome = outcomeOf(() => account(inVersion));
    if (missing.size === 0) {
      if ('error' in outcome) throw outcome.error;
      return outcome.value;
    }
    for (const [apiVersion, objects] of missing) {
      const all = await converted(converter, [...objects.values()], apiVersion);
      [...objects.keys()].forEach((text, index) => {
        of(made, apiVersion).set(text, all[index]!);
      });
    }
  }
}

/** What was reckoned without the versions that are missing counts for nothing, a refusal neither. */
function outcomeOf<T>(act: () => T): { value: T } | { error: unknown } {
  try {
    return { value: act() };
  } catch (error) {
    return { error };
  }
}

function of(maps: Map<string, Map<string, KubeObject>>, key: string): Map<string, KubeObject> {
  const there = maps.get(key) ?? new Map<string, KubeObject>();
  maps.set(key, there);
  return there;
}

async function converted(converter: Converter, objects: readonly KubeObject[], apiVersion: string) {
  try {
    return await converter.convert(objects.map(withoutRevision), apiVersion);
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    throw new StatusError('', `failed to convert old object: ${error.message}`, { cause: error });
  }
}
