/**
 * Objects that kubectl applied on the client's side before: what the annotation says was applied, and still is so, is
 * kubectl's own when it applies on the server. Source: apimachinery, managedfields lastapplied.
 */
import { parseJson } from '../codec-json.ts';
import { fieldOf, isJsonObject, type JsonObject, withField } from '../json-value.ts';
import { fieldsOfConfiguration } from './applied-configuration.ts';
import { compareObjects } from './compare.ts';
import { type FieldSet, rootDifference, rootUnion } from './field-set.ts';
import type { Shape } from './field-shape.ts';

export const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';
/** Any other manager has no part in it. */
export const LAST_APPLIED_MANAGER = 'kubectl';

/** The places where the object still says what was applied; undefined when there are none. */
export function fieldsLastApplied(live: JsonObject, shape: Shape): FieldSet | undefined {
  const text = annotationOf(live);
  const parsed = text === undefined ? undefined : parseJson(text);
  if (!parsed || 'problem' in parsed || !isJsonObject(parsed.value)) return undefined;
  const applied = fieldsOfConfiguration(parsed.value, shape);
  if ('problems' in applied) return undefined;
  const { touched, removed } = compareObjects(live, parsed.value, shape, () => true);
  return rootDifference(applied.set, rootUnion(touched, removed));
}

/** With the annotation brought up to date, where it is there. */
export function withLastApplied(object: JsonObject, configuration: JsonObject): JsonObject {
  if (annotationOf(object) === undefined) return object;
  const text = `${JSON.stringify(withoutAnnotation(configuration))}\n`;
  return withAnnotations(object, (annotations) => withField(annotations, LAST_APPLIED, text));
}

function withoutAnnotation(configuration: JsonObject): JsonObject {
  if (annotationOf(configuration) === undefined) return configuration;
  return withAnnotations(configuration, ({ [LAST_APPLIED]: _, ...others }) => others);
}

function withAnnotations(object: JsonObject, change: (annotations: JsonObject) => JsonObject): JsonObject {
  const metadata = fieldOf(object, 'metadata') as JsonObject;
  return { ...object, metadata: { ...metadata, annotations: change(metadata.annotations as JsonObject) } };
}

function annotationOf(object: JsonObject): string | undefined {
  const metadata = fieldOf(object, 'metadata');
  const annotations = isJsonObject(metadata) ? fieldOf(metadata, 'annotations') : undefined;
  const text = annotations !== undefined && isJsonObject(annotations) ? fieldOf(annotations, LAST_APPLIED) : undefined;
  return typeof text === 'string' ? text : undefined;
}
