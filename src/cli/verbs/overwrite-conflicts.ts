/**
 * `apply --overwrite=false`: where what apply would change has been changed by others since it was last applied. Source:
 * apimachinery, strategic merge patch, conflicts of a three-way merge.
 */
import { facts } from '#api/generated/facts.ts';
import { isEqual } from '#api/machinery/equal.ts';
import type { FieldFacts, TypeFacts, TypeRef } from '#api/machinery/facts.ts';
import { fieldOf, isJsonObject, type Json, type JsonObject } from '#api/machinery/json-value.ts';
import { mergePatchBetween } from '#api/machinery/three-way-merge.ts';
import { formatYaml } from '#api/machinery/yaml-output.ts';
import type { ManifestObject } from './manifests.ts';
import { compactJson } from './output/json.ts';
import { VerbError } from './verb-error.ts';

/** The same place in three objects; undefined where there is nothing. */
interface Place {
  /** As it was last applied. */
  original: Json | undefined;
  /** As it is stored. */
  current: Json | undefined;
  /** As apply would leave it. */
  merged: Json | undefined;
}

interface Objects {
  original: ManifestObject | undefined;
  modified: ManifestObject;
  current: ManifestObject;
  merged: JsonObject;
}

/** Throws VerbError where somebody else has changed what would change now, and to something else. */
export function refuseConflicts({ original, modified, current, merged }: Objects, type: TypeFacts): void {
  const json = (object: object) => object as JsonObject;
  const was = json(original ?? {});
  if (!objectsConflict({ original: was, current: json(current), merged }, type)) return;
  const [patch, changed] = [merged, json(current)].map((to, index) =>
    formatYaml(mergePatchBetween(index === 0 ? json(current) : was, to) ?? {}),
  );
  const told = [
    original ? `${compactJson(original)}\n` : '',
    `${compactJson(modified)}\n`,
    `${compactJson(current)}\n`,
  ];
  throw new VerbError(
    `creating patch with:\noriginal:\n${told[0]}\nmodified:\n${told[1]}\ncurrent:\n${told[2]}\nfor: patch:\n${patch}\nconflicts with changes made from original to current:\n${changed}\n`,
  );
}

function objectsConflict({ original, current, merged }: Place, type: TypeFacts | undefined): boolean {
  const keys = new Set([current, merged].flatMap((object) => (isJsonObject(object) ? Object.keys(object) : [])));
  const at = (object: Json | undefined, key: string) => (isJsonObject(object) ? fieldOf(object, key) : undefined);
  return [...keys].some((key) =>
    valuesConflict(
      { original: at(original, key), current: at(current, key), merged: at(merged, key) },
      type?.jsonFields.get(key),
    ),
  );
}

function valuesConflict(place: Place, field: FieldFacts | undefined): boolean {
  const { original, current, merged } = place;
  if (isSame(current, merged) || isSame(original, current)) return false;
  if (original === undefined && merged === undefined) return false; // goes as the one not chosen of a union
  const strategy = field?.patchStrategy ?? [];
  if (isJsonObject(current) && isJsonObject(merged))
    return !strategy.includes('replace') && objectsConflict(place, typeOf(field?.type));
  if (Array.isArray(current) && Array.isArray(merged))
    return strategy.includes('merge') ? mergedListsConflict(place, field) : wholeListsConflict(merged, current);
  return true;
}

/** Elements of the one and of the other side by their keys; scalars get along with one another. */
function mergedListsConflict({ original, current, merged }: Place, field: FieldFacts | undefined): boolean {
  const mergeKey = field?.patchMergeKey ?? '';
  const byKey = (list: Json | undefined) =>
    new Map(
      (Array.isArray(list) ? list : [])
        .filter(isJsonObject)
        .map((item): [string, JsonObject] => [String(fieldOf(item, mergeKey)), item]),
    );
  const [were, are, willBe] = [byKey(original), byKey(current), byKey(merged)];
  const element = field && { ...field, patchStrategy: [] };
  return [...new Set([...are.keys(), ...willBe.keys()])].some((key) =>
    valuesConflict({ original: were.get(key), current: are.get(key), merged: willBe.get(key) }, element),
  );
}

/** A list that is one value: scalars in any order, objects by the fields that both have. */
function wholeListsConflict(a: readonly Json[], b: readonly Json[]): boolean {
  if (a.length !== b.length) return true;
  if ([...a, ...b].some(isJsonObject)) return a.some((item, index) => elementsConflict(item, b[index]));
  const inOrder = (list: readonly Json[]) => [...new Set(list.map((item) => JSON.stringify(item)))].sort();
  return !isEqual(inOrder(a), inOrder(b));
}

function elementsConflict(a: Json, b: Json | undefined): boolean {
  if (isJsonObject(a) && isJsonObject(b))
    return Object.entries(a).some(([key, value]) => Object.hasOwn(b, key) && elementsConflict(value, fieldOf(b, key)));
  if (Array.isArray(a) && Array.isArray(b)) return wholeListsConflict(a, b);
  return !isSame(a, b);
}

const isSame = (a: Json | undefined, b: Json | undefined): boolean =>
  a === undefined || b === undefined ? a === b : isEqual(a, b);

/** Of an object or of a list's elements; maps have no fields of their own. */
function typeOf(type: TypeRef | undefined): TypeFacts | undefined {
  if (type && 'ref' in type) return facts.type(type.ref);
  return type && 'list' in type ? typeOf(type.list) : undefined;
}
