/**
 * What a conversion webhook may make of an object: everything but what the object is and its metadata, of which only
 * labels and annotations may change. Pure. Source: "Versions in CustomResourceDefinitions"; texts as upstream's
 * webhook_converter.go.
 */
import { root } from '#api/machinery/field-path.ts';
import { isJsonObject, type Json, type JsonObject } from '#api/machinery/json-value.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { validateAnnotations, validateLabels } from '#api/machinery/object-meta.ts';

export type Checked = { object: KubeObject } | { problem: string };

/** `isList`: the object was one of several, and its problem is told so. */
export interface Place {
  index: number;
  isList: boolean;
}

/** The problem reads on from `conversion webhook for … `. */
export function checkConverted(original: KubeObject, converted: unknown, apiVersion: string, place: Place): Checked {
  const { index, isList } = place;
  const invalid = (why: string) => ({
    problem: `returned invalid ${isList ? 'converted ' : ''}object at index ${index}: ${why}`,
  });
  const problem = (what: string, why: string) => ({
    problem: isList ? `returned invalid ${what} at index ${index}: ${why}` : `returned invalid ${what}: ${why}`,
  });
  if (!isJsonObject(converted)) return invalid("Object 'Kind' is missing");
  if (typeof converted['kind'] !== 'string' || !converted['kind'])
    return invalid(`Object 'Kind' is missing in '${JSON.stringify(converted)}'`);
  if (converted['apiVersion'] !== apiVersion)
    return invalid(`invalid groupVersion (expected ${apiVersion}, received ${textOf(converted['apiVersion'])})`);
  if (converted['kind'] !== original.kind)
    return invalid(`invalid kind (expected ${original.kind}, received ${converted['kind']})`);
  const other = identityProblem(original, converted);
  if (other) return problem(isList ? 'converted object' : 'object', other);
  const metadata = restoredMetadata(original.metadata as unknown as JsonObject, converted['metadata']);
  if ('problem' in metadata) return problem(isList ? 'metadata in object' : 'metadata', metadata.problem);
  return { object: { ...converted, metadata: metadata.value } as unknown as KubeObject };
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

function identityProblem({ metadata }: KubeObject, converted: JsonObject): string | undefined {
  const given = isJsonObject(converted['metadata']) ? converted['metadata'] : {};
  for (const [field, name] of [
    ['name', 'name'],
    ['namespace', 'namespace'],
    ['uid', 'UID'],
  ] as const) {
    const [expected, actual] = [metadata[field] ?? '', textOf(given[field])];
    if (expected !== actual) return `must have the same ${name}: ${expected} != ${actual}`;
  }
  return undefined;
}

function restoredMetadata(original: JsonObject, given: unknown): { value: JsonObject } | { problem: string } {
  if (given === undefined) return { problem: 'missing metadata in converted object' };
  if (!isJsonObject(given)) return { problem: `invalid metadata of type ${goType(given)} in converted object` };
  const value: Record<string, Json> = { ...original };
  for (const field of ['labels', 'annotations'] as const) {
    const changed = given[field];
    delete value[field];
    if (changed === undefined || changed === null) continue;
    if (!isJsonObject(changed))
      return { problem: `invalid metadata.${field} of type ${goType(changed)} in converted object` };
    const problem = mapProblem(field, changed, original[field]);
    if (problem) return { problem };
    value[field] = changed;
  }
  return { value };
}

function mapProblem(field: 'labels' | 'annotations', changed: JsonObject, original: unknown): string | undefined {
  for (const [key, value] of Object.entries(changed))
    if (typeof value !== 'string')
      return `metadata.${field}[${key}] must be a string, but is ${goType(value)} in converted object`;
  const before = isJsonObject(original) ? original : {};
  const entries = Object.entries(changed);
  const isSame =
    entries.length === Object.keys(before).length &&
    entries.every(([key, value]) => Object.hasOwn(before, key) && before[key] === value);
  if (isSame) return undefined;
  const values = changed as Record<string, string>;
  const errors =
    field === 'labels'
      ? validateLabels(values, root('metadata.labels'))
      : validateAnnotations(values, root('metadata.annotation'));
  const texts = errors.map((error) => `${error.field}: ${error.message}`);
  if (texts.length === 0) return undefined;
  return texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`;
}

/** What Go calls the type of a decoded value. */
function goType(value: unknown): string {
  if (value === null) return '<nil>';
  if (Array.isArray(value)) return '[]interface {}';
  switch (typeof value) {
    case 'string':
      return 'string';
    case 'boolean':
      return 'bool';
    case 'number':
      return Number.isInteger(value) ? 'int64' : 'float64';
    default:
      return 'map[string]interface {}';
  }
}
