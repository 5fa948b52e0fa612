/** What the questions about access have in common. Source: API reference, authorization.k8s.io/v1. */
import type { SubjectAccessReviewSpec } from '#api/generated/schema.ts';
import { type FieldError, invalidValue, requiredValue } from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';

/** About exactly one thing, and about somebody. */
export function validateAccessReview(spec: SubjectAccessReviewSpec, at: At<SubjectAccessReviewSpec>): FieldError[] {
  const errors = validateSubjectOfReview(spec, at);
  if (!spec.user && !spec.groups?.length)
    errors.push(invalidValue(at.user, spec.user ?? '', 'at least one of user or group must be specified'));
  return errors;
}

type Attributes = Pick<SubjectAccessReviewSpec, 'resourceAttributes' | 'nonResourceAttributes'>;

export function validateSubjectOfReview(spec: Attributes, at: At<Attributes>): FieldError[] {
  if (spec.resourceAttributes && spec.nonResourceAttributes)
    return [
      invalidValue(
        at.nonResourceAttributes,
        spec.nonResourceAttributes,
        'cannot be specified in combination with resourceAttributes',
      ),
    ];
  if (!spec.resourceAttributes && !spec.nonResourceAttributes) {
    const text = 'exactly one of nonResourceAttributes or resourceAttributes must be specified';
    return [invalidValue(at.resourceAttributes, undefined, text)];
  }
  return [];
}

/** A LocalSubjectAccessReview speaks of its own namespace only. */
export function validateLocal(
  spec: SubjectAccessReviewSpec,
  namespace: string,
  at: At<SubjectAccessReviewSpec>,
): FieldError[] {
  const errors: FieldError[] = [];
  if (spec.resourceAttributes && spec.resourceAttributes.namespace !== namespace)
    errors.push(
      invalidValue(
        at.resourceAttributes.namespace,
        spec.resourceAttributes.namespace ?? '',
        'must match metadata.namespace',
      ),
    );
  if (spec.nonResourceAttributes)
    errors.push(
      invalidValue(at.nonResourceAttributes, spec.nonResourceAttributes, 'disallowed on this kind of request'),
    );
  return namespace ? errors : [...errors, requiredValue('metadata.namespace')];
}
