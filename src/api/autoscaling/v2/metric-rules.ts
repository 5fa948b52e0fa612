/** What an autoscaler may be told to look at. Source: API reference, MetricSpec. */
import { validateContainerResourceName } from '#api/core/v1/resource-names.ts';
import type * as schema from '#api/generated/schema.ts';
import {
  type FieldError,
  forbiddenField,
  invalidValue,
  notSupportedValue,
  requiredValue,
} from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { follows } from '#api/machinery/field-rules.ts';
import { dns1123Label, pathSegment } from '#api/machinery/names.ts';
import { compareQuantities } from '#api/machinery/quantity.ts';

const TYPES = ['ContainerResource', 'External', 'Object', 'Pods', 'Resource'];
type Source = Exclude<keyof schema.MetricSpec, 'type'>;
const SOURCES: readonly Source[] = ['object', 'external', 'pods', 'resource', 'containerResource'];
const TARGET_TYPES = ['Utilization', 'Value', 'AverageValue'];

export interface ReferenceRules {
  /** Which version it is of was bad before, or is not to be judged again. */
  anyVersion?: boolean;
  /** Things of the core group may be meant. */
  coreGroup?: boolean;
}

export function validateObjectReference(
  { kind, name, apiVersion = '' }: schema.CrossVersionObjectReference,
  at: At<schema.CrossVersionObjectReference>,
  { anyVersion = false, coreGroup = false }: ReferenceRules,
): FieldError[] {
  const errors = [
    ...(kind ? follows(at.kind, kind, pathSegment) : [requiredValue(at.kind)]),
    ...(name ? follows(at.name, name, pathSegment) : [requiredValue(at.name)]),
  ];
  if (anyVersion) return errors;
  if (apiVersion.split('/').length > 2)
    errors.push(invalidValue(at.apiVersion, apiVersion, `unexpected GroupVersion string: ${apiVersion}`));
  else if (!coreGroup && apiVersion.indexOf('/') <= 0)
    errors.push(invalidValue(at.apiVersion, apiVersion, 'apiVersion must specify API group'));
  return errors;
}

export function validateMetric(
  metric: schema.MetricSpec,
  at: At<schema.MetricSpec>,
  references: ReferenceRules,
): FieldError[] {
  const { type } = metric;
  const errors: FieldError[] = type ? [] : [requiredValue(at.type, 'must specify a metric source type')];
  const isKnown = TYPES.includes(type);
  if (!isKnown) errors.push(notSupportedValue(at.type, type ?? '', TYPES));
  const given = SOURCES.filter((source) => metric[source] !== undefined);
  const [first] = given;
  if (first) errors.push(...RULES[first](metric[first] as never, at[first] as never, references));
  const expected = isKnown ? ((type[0]!.toLowerCase() + type.slice(1)) as Source) : undefined;
  if (expected && !metric[expected])
    errors.push(requiredValue(at[expected], 'must populate information for the given metric source'));
  if (given.length !== 1)
    for (const other of given)
      if (other !== expected) errors.push(forbiddenField(at[other], 'must populate the given metric source only'));
  return errors;
}

type Rules = {
  [Name in Source]: (
    source: NonNullable<schema.MetricSpec[Name]>,
    at: At<NonNullable<schema.MetricSpec[Name]>>,
    references: ReferenceRules,
  ) => FieldError[];
};

const RULES: Rules = {
  object: ({ describedObject, metric, target }, at, references) => [
    ...validateObjectReference(describedObject, at.describedObject, references),
    ...validateIdentifier(metric, at.metric),
    ...validateTarget(target, at.target),
    ...(hasRawValue(target)
      ? []
      : [requiredValue(at.target.averageValue, 'must set either a target value or averageValue')]),
  ],
  external: ({ metric, target }, at) => [
    ...validateIdentifier(metric, at.metric),
    ...validateTarget(target, at.target),
    ...(hasRawValue(target)
      ? []
      : [requiredValue(at.target.averageValue, 'must set either a target value for metric or a per-pod target')]),
    ...(target?.value !== undefined && target.averageValue !== undefined
      ? [forbiddenField(at.target.value, 'may not set both a target value for metric and a per-pod target')]
      : []),
  ],
  pods: ({ metric, target }, at) => [
    ...validateIdentifier(metric, at.metric),
    ...validateTarget(target, at.target),
    ...(target?.averageValue === undefined
      ? [requiredValue(at.target.averageValue, 'must specify a positive target averageValue')]
      : []),
  ],
  resource: ({ name, target }, at) => [
    ...(name ? [] : [requiredValue(at.name, 'must specify a resource name')]),
    ...validateUsage(target, at.target),
  ],
  containerResource: ({ name, container, target }, at) => [
    ...(name ? validateContainerResourceName(name, at.name) : [requiredValue(at.name, 'must specify a resource name')]),
    ...(container
      ? follows(at.container, container, dns1123Label)
      : [requiredValue(at.container, 'must specify a container')]),
    ...validateUsage(target, at.target),
  ],
};

const hasRawValue = (target: schema.MetricTarget | undefined): boolean =>
  target?.value !== undefined || target?.averageValue !== undefined;

function validateUsage(target: schema.MetricTarget, at: At<schema.MetricTarget>): FieldError[] {
  const { averageUtilization, averageValue } = target ?? {};
  const errors = validateTarget(target, at);
  if (averageUtilization === undefined && averageValue === undefined)
    errors.push(requiredValue(at.averageUtilization, 'must set either a target raw value or a target utilization'));
  if (averageUtilization !== undefined && averageValue !== undefined)
    errors.push(forbiddenField(at.averageValue, 'may not set both a target raw value and a target utilization'));
  return errors;
}

function validateTarget(target: schema.MetricTarget | undefined, at: At<schema.MetricTarget>): FieldError[] {
  const { type = '', averageUtilization } = target ?? {};
  const errors: FieldError[] = type ? [] : [requiredValue(at.type, 'must specify a metric target type')];
  if (!TARGET_TYPES.includes(type))
    errors.push(invalidValue(at.type, type, 'must be either Utilization, Value, or AverageValue'));
  for (const field of ['value', 'averageValue'] as const) {
    const amount = target?.[field];
    if (amount !== undefined && compareQuantities(amount, '0') <= 0)
      errors.push(invalidValue(at[field], amount, 'must be positive'));
  }
  if (averageUtilization !== undefined && averageUtilization < 1)
    errors.push(invalidValue(at.averageUtilization, averageUtilization, 'must be greater than 0'));
  return errors;
}

const validateIdentifier = (
  metric: schema.MetricIdentifier | undefined,
  at: At<schema.MetricIdentifier>,
): FieldError[] =>
  metric?.name ? follows(at.name, metric.name, pathSegment) : [requiredValue(at.name, 'must specify a metric name')];
