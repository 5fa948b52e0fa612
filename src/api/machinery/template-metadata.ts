/** The metadata of a template whose object is named for its pod, and lives with it: only labels and annotations may be chosen. */
import type { ObjectMeta } from '#api/generated/schema.ts';
import { type FieldError, forbiddenField } from './field-error.ts';
import type { At } from './field-path.ts';
import { validateAnnotations, validateLabels } from './object-meta.ts';

/** All that a template may not say. In upstream's order and names. */
const NOT_OF_TEMPLATES = [
  ...['name', 'generateName', 'namespace', 'selfLink', 'uid', 'resourceVersion', 'generation', 'creationTimestamp'],
  ...['deletionTimestamp', 'deletionGracePeriodSeconds', 'ownerReferences', 'finalizers', 'managedFields'],
] as const;

export function validateTemplateMetadata(metadata: Partial<ObjectMeta> | undefined, at: At<ObjectMeta>): FieldError[] {
  const given = (metadata ?? {}) as Readonly<Record<string, unknown>>;
  const here = at as unknown as At<Record<string, string>>;
  return [
    ...validateAnnotations(metadata?.annotations, at.annotations),
    ...validateLabels(metadata?.labels, at.labels),
    ...NOT_OF_TEMPLATES.filter((name) => given[name]).map((name) =>
      forbiddenField(here[name === 'uid' ? 'uID' : name]!, 'cannot be set'),
    ),
  ];
}
