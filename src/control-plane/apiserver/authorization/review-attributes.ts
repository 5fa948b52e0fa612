/**
 * Between what a request does and how a SubjectAccessReview says it. Requirements of a selector that are not understood are
 * left out: the question is then about more than was meant, never about less.
 */
import type {
  FieldSelectorRequirement,
  LabelSelectorRequirement,
  SubjectAccessReviewSpec,
} from '#api/generated/schema.ts';
import { type FieldRequirement, formatFieldSelector, parseFieldSelector } from '#api/machinery/field-selector.ts';
import {
  formatSelector,
  type LabelOperator,
  type LabelRequirement,
  parseLabelSelector,
} from '#api/machinery/label-selector.ts';
import type { UserInfo } from '#client/transport.ts';
import { type Attributes, isResourceRequest, type ResourceAttributes } from './authorizer.ts';

type AskedResource = NonNullable<SubjectAccessReviewSpec['resourceAttributes']>;

/** `problems`: what of the selectors was left out, in upstream's words. */
export function attributesOfReview(
  { resourceAttributes: asked, nonResourceAttributes }: SubjectAccessReviewSpec,
  user: UserInfo,
): { attributes: Attributes; problems: string[] } {
  if (!asked) {
    const { verb = '', path = '' } = nonResourceAttributes ?? {};
    return { attributes: { user, verb, path }, problems: [] };
  }
  const field = fieldSelectorIn(asked.fieldSelector);
  const label = labelSelectorIn(asked.labelSelector);
  const attributes = {
    user,
    verb: asked.verb ?? '',
    group: asked.group ?? '',
    version: asked.version || '*',
    resource: asked.resource ?? '',
    subresource: asked.subresource ?? '',
    namespace: asked.namespace ?? '',
    name: asked.name ?? '',
    ...(field.text && { fieldSelector: field.text }),
    ...(label.text && { labelSelector: label.text }),
  };
  const problems = [...problemOf('fieldSelector', field), ...problemOf('labelSelector', label)];
  return { attributes, problems };
}

interface Read {
  text: string;
  isWhole: boolean;
}

const problemOf = (name: string, { text, isWhole }: Read): string[] =>
  isWhole ? [] : [`spec.resourceAttributes.${name} ${text ? 'partially ignored' : 'ignored'} due to parse error`];

function fieldSelectorIn(selector: AskedResource['fieldSelector']): Read {
  const requirements = selector?.requirements ?? [];
  if (requirements.length === 0) {
    const raw = selector?.rawSelector ?? '';
    return parseFieldSelector(raw).ok ? { text: raw, isWhole: true } : { text: '', isWhole: false };
  }
  const known = requirements.flatMap(({ key, operator, values = [] }): FieldRequirement[] => {
    const sign = FIELD_SIGNS[operator];
    return sign && values.length === 1 ? [{ field: key, operator: sign, value: values[0] ?? '' }] : [];
  });
  return { text: formatFieldSelector(known), isWhole: known.length === requirements.length };
}

const FIELD_SIGNS: Readonly<Record<string, FieldRequirement['operator']>> = { In: '=', NotIn: '!=' };

function labelSelectorIn(selector: AskedResource['labelSelector']): Read {
  const requirements = selector?.requirements ?? [];
  if (requirements.length === 0) {
    const raw = selector?.rawSelector ?? '';
    return parseLabelSelector(raw).ok ? { text: raw, isWhole: true } : { text: '', isWhole: false };
  }
  const known = requirements.flatMap(({ key, operator, values = [] }): LabelRequirement[] => {
    const sign = LABEL_SIGNS[operator];
    if (!sign) return [];
    const one = { key, operator: sign, values: [...values].sort() };
    return parseLabelSelector(formatSelector({ requirements: [one] })).ok ? [one] : [];
  });
  return { text: formatSelector({ requirements: known }), isWhole: known.length === requirements.length };
}

const LABEL_SIGNS: Readonly<Record<string, LabelOperator>> = {
  In: 'in',
  NotIn: 'notin',
  Exists: 'exists',
  DoesNotExist: '!',
};

/** The question for a service outside. What is empty is left out, as Go does. */
export function reviewSpecOf(attributes: Attributes): SubjectAccessReviewSpec {
  const { name, uid, groups, extra } = attributes.user;
  const about = isResourceRequest(attributes)
    ? { resourceAttributes: askedOf(attributes) }
    : { nonResourceAttributes: { path: attributes.path, verb: attributes.verb } };
  return {
    ...about,
    ...(name && { user: name }),
    ...(groups.length > 0 && { groups: [...groups] }),
    ...(extra && {
      extra: Object.fromEntries(Object.entries(extra).map(([key, values]) => [key, [...values]])),
    }),
    ...(uid && { uid }),
  };
}

function askedOf(attributes: ResourceAttributes): AskedResource {
  const { namespace, verb, group, version, resource, subresource, name } = attributes;
  const fields = fieldRequirementsOf(attributes);
  const labels = labelRequirementsOf(attributes);
  const texts = Object.entries({ namespace, verb, group, version, resource, subresource, name });
  return {
    ...Object.fromEntries(texts.filter(([, text]) => text !== '')),
    ...(fields.length > 0 && { fieldSelector: { requirements: fields } }),
    ...(labels.length > 0 && { labelSelector: { requirements: labels } }),
  };
}

function fieldRequirementsOf({ fieldSelector }: ResourceAttributes): FieldSelectorRequirement[] {
  const parsed = fieldSelector ? parseFieldSelector(fieldSelector) : undefined;
  if (!parsed?.ok) return [];
  return parsed.value.map(({ field, operator, value }) => ({
    key: field,
    operator: operator === '=' ? 'In' : 'NotIn',
    values: [value],
  }));
}

function labelRequirementsOf({ labelSelector }: ResourceAttributes): LabelSelectorRequirement[] {
  const parsed = labelSelector ? parseLabelSelector(labelSelector) : undefined;
  if (!parsed?.ok) return [];
  return parsed.value.requirements.flatMap(({ key, operator, values }) => {
    const name = LABEL_NAMES[operator];
    return name ? [{ key, operator: name, ...(values.length > 0 && { values: [...values] }) }] : [];
  });
}

const LABEL_NAMES: Readonly<Partial<Record<LabelOperator, string>>> = {
  '=': 'In',
  '==': 'In',
  in: 'In',
  '!=': 'NotIn',
  notin: 'NotIn',
  exists: 'Exists',
  '!': 'DoesNotExist',
};
