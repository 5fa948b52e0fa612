/** What the questions about access have in common. Source: API reference, authorization.k8s.io/v1. */
import type { SubjectAccessReviewSpec } from '#api/generated/schema.ts';
import { type FieldError, forbiddenField, invalidValue, requiredValue } from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { type NameRule, qualifiedName } from '#api/machinery/names.ts';

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
  const { fieldSelector, labelSelector } = spec.resourceAttributes ?? {};
  return [
    ...validateSelector(fieldSelector, at.resourceAttributes.fieldSelector),
    ...validateSelector(labelSelector, at.resourceAttributes.labelSelector, qualifiedName),
  ];
}

interface SelectorAttributes {
  rawSelector?: string;
  requirements?: { key: string; operator: string; values?: string[] }[];
}

/** Operators that are not known pass: a newer client may know them. */
function validateSelector(
  selector: SelectorAttributes | undefined,
  at: At<SelectorAttributes>,
  keyRule: NameRule = () => [],
): FieldError[] {
  if (!selector) return [];
  const { rawSelector = '', requirements = [] } = selector;
  const errors: FieldError[] = [];
  if (rawSelector && requirements.length > 0)
    errors.push(invalidValue(at.rawSelector, rawSelector, 'may not specified at the same time as requirements'));
  if (!rawSelector && requirements.length === 0)
    errors.push(requiredValue(at.requirements, `when ${at} is specified, requirements or rawSelector is required`));
  for (const [index, { key = '', operator, values = [] }] of requirements.entries()) {
    const here = at.requirements[index]!;
    if (!key && keyRule('').length === 0) errors.push(requiredValue(here.key, 'must be specified'));
    errors.push(...keyRule(key).map((text) => invalidValue(here.key, key, text)));
    if (['In', 'NotIn'].includes(operator) && values.length === 0)
      errors.push(requiredValue(here.values, "must be specified when `operator` is 'In' or 'NotIn'"));
    if (['Exists', 'DoesNotExist'].includes(operator) && values.length > 0)
      errors.push(forbiddenField(here.values, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"));
  }
  return errors;
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
