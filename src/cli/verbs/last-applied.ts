/** The annotation in which client-side apply keeps what was applied. Source: kubectl, util/apply. */
import type { ManifestObject } from './manifests.ts';
import { compactJson, escapeHtml } from './output/json.ts';
import { inTypesOrder } from './output/struct-order.ts';

export const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

/** The object with itself in its annotation. */
export function annotated(object: ManifestObject): ManifestObject {
  const { bare, annotations } = withoutLastApplied(object);
  return withLastApplied(object, compactJson({ ...bare, metadata: { ...bare.metadata, annotations } }));
}

/** Likewise of one that no file holds: kubectl has it as a struct. */
export function annotatedStruct(object: ManifestObject): ManifestObject {
  const { bare, annotations } = withoutLastApplied(object);
  const isAnnotated = Object.keys(annotations).length > 0;
  const struct = isAnnotated ? { ...bare, metadata: { ...bare.metadata, annotations } } : bare;
  return withLastApplied(object, escapeHtml(JSON.stringify(inTypesOrder(struct))));
}

function withoutLastApplied(object: ManifestObject) {
  const { annotations: all = {}, ...metadata } = object.metadata;
  const { [LAST_APPLIED]: _, ...annotations } = all;
  return { bare: { ...object, metadata }, annotations };
}

const withLastApplied = (object: ManifestObject, text: string): ManifestObject => ({
  ...object,
  metadata: {
    ...object.metadata,
    annotations: { ...withoutLastApplied(object).annotations, [LAST_APPLIED]: `${text}\n` },
  },
});

/** As it stands there. */
export const lastAppliedText = (object: unknown): string | undefined =>
  (object as ManifestObject).metadata.annotations?.[LAST_APPLIED];

/** What was applied last; undefined when the object was not applied. */
export function lastAppliedOf(object: unknown): ManifestObject | undefined {
  const text = lastAppliedText(object);
  return text === undefined ? undefined : (JSON.parse(text) as ManifestObject);
}
