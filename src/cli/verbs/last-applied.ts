/** The annotation in which client-side apply keeps what was applied. Source: kubectl, util/apply. */
import type { ManifestObject } from './manifests.ts';
import { compactJson } from './output/json.ts';

export const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

/** The object with itself in its annotation. */
export function annotated(object: ManifestObject): ManifestObject {
  const { [LAST_APPLIED]: _, ...annotations } = object.metadata.annotations ?? {};
  const bare = { ...object, metadata: { ...object.metadata, annotations } };
  const text = `${compactJson(bare)}\n`;
  return { ...object, metadata: { ...object.metadata, annotations: { ...annotations, [LAST_APPLIED]: text } } };
}

/** As it stands there. */
export const lastAppliedText = (object: unknown): string | undefined =>
  (object as ManifestObject).metadata.annotations?.[LAST_APPLIED];

/** What was applied last; undefined when the object was not applied. */
export function lastAppliedOf(object: unknown): ManifestObject | undefined {
  const text = lastAppliedText(object);
  return text === undefined ? undefined : (JSON.parse(text) as ManifestObject);
}
