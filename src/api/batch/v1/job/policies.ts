/** What a Job says of failed pods, and of when it has succeeded. Source: API reference, PodFailurePolicy and SuccessPolicy. */
import type * as schema from '#api/generated/schema.ts';
import {
  duplicateValue,
  type FieldError,
  invalidValue,
  invalidWithoutValue,
  notSupportedValue,
  requiredValue,
  tooLong,
  tooMany,
} from '#api/machinery/field-error.ts';
import type { At, Path } from '#api/machinery/field-path.ts';
import { follows, isNotNegative } from '#api/machinery/field-rules.ts';
import { qualifiedName } from '#api/machinery/names.ts';
import { repeatedIn } from '#api/machinery/repeated.ts';
import { parseIndexes } from './indexes.ts';

const MAX_RULES = 20;
const MAX_EXIT_CODES = 255;
const MAX_CONDITIONS = 20;
const MAX_INDEXES_BYTES = 64 * 1024;
const ACTIONS = ['Count', 'FailIndex', 'FailJob', 'Ignore'];
const OPERATORS = ['In', 'NotIn'];
const STATUSES = ['False', 'True', 'Unknown'];

/** One of these must be there; upstream lists them as Go prints a list. */
function mustBeOneOfListed(at: Path, value: string | undefined, supported: readonly string[]): FieldError[] {
  if (!value) return [requiredValue(at, `valid values: [${supported.map((one) => `"${one}"`).join(' ')}]`)];
  return supported.includes(value) ? [] : [notSupportedValue(at, value, supported)];
}

export function validatePodFailurePolicy(spec: schema.JobSpec, at: At<schema.PodFailurePolicy>): FieldError[] {
  const rules = spec.podFailurePolicy?.rules ?? [];
  const { containers = [], initContainers = [] } = spec.template.spec;
  const names = new Set([...containers, ...initContainers].map(({ name }) => name));
  return [
    ...(rules.length > MAX_RULES ? [tooMany(at.rules, rules.length, MAX_RULES)] : []),
    ...rules.flatMap((rule, i) => [
      ...(rule.action === 'FailIndex' && spec.backoffLimitPerIndex === undefined
        ? [invalidValue(at.rules[i]!.action, rule.action, 'requires the backoffLimitPerIndex to be set')]
        : mustBeOneOfListed(at.rules[i]!.action, rule.action, ACTIONS)),
      ...validateFailureRule(rule, names, at.rules[i]!),
    ]),
  ];
}

function validateFailureRule(
  { onExitCodes, onPodConditions = [] }: schema.PodFailurePolicyRule,
  containers: ReadonlySet<string>,
  at: At<schema.PodFailurePolicyRule>,
): FieldError[] {
  const errors = onExitCodes ? validateExitCodes(onExitCodes, containers, at.onExitCodes) : [];
  if (onPodConditions.length > MAX_CONDITIONS)
    errors.push(tooMany(at.onPodConditions, onPodConditions.length, MAX_CONDITIONS));
  for (const [index, { type, status }] of onPodConditions.entries())
    errors.push(
      ...follows(at.onPodConditions[index]!.type, type ?? '', qualifiedName),
      ...mustBeOneOfListed(at.onPodConditions[index]!.status, status, STATUSES),
    );
  if (onExitCodes && onPodConditions.length > 0)
    errors.push(invalidWithoutValue(at, 'specifying both OnExitCodes and OnPodConditions is not supported'));
  if (!onExitCodes && onPodConditions.length === 0)
    errors.push(invalidWithoutValue(at, 'specifying one of OnExitCodes and OnPodConditions is required'));
  return errors;
}

function validateExitCodes(
  { operator, containerName, values = [] }: schema.PodFailurePolicyOnExitCodesRequirement,
  containers: ReadonlySet<string>,
  at: At<schema.PodFailurePolicyOnExitCodesRequirement>,
): FieldError[] {
  const errors = mustBeOneOfListed(at.operator, operator, OPERATORS);
  if (containerName !== undefined && !containers.has(containerName))
    errors.push(
      invalidValue(
        at.containerName,
        containerName,
        'must be one of the container or initContainer names in the pod template',
      ),
    );
  if (values.length === 0) errors.push(invalidValue(at.values, null, 'at least one value is required'));
  if (values.length > MAX_EXIT_CODES) errors.push(tooMany(at.values, values.length, MAX_EXIT_CODES));
  const repeated = repeatedIn(values);
  for (const [index, code] of values.entries()) {
    if (operator === 'In' && code === 0)
      errors.push(invalidValue(at.values[index]!, code, 'must not be 0 for the In operator'));
    if (repeated.has(index)) errors.push(duplicateValue(at.values[index]!, code));
  }
  const isOrdered = values.every((code, index) => index === 0 || values[index - 1]! <= code);
  return isOrdered ? errors : [...errors, invalidValue(at.values, values, 'must be ordered')];
}

/** Upstream's names of the fields. */
const successPolicyInGo = (rules: readonly schema.SuccessPolicyRule[]) => ({
  Rules:
    rules.length > 0
      ? rules.map(({ succeededIndexes, succeededCount }) => ({
          SucceededIndexes: succeededIndexes ?? null,
          SucceededCount: succeededCount ?? null,
        }))
      : null,
});

export function validateSuccessPolicy(spec: schema.JobSpec, at: At<schema.SuccessPolicy>): FieldError[] {
  const { rules = [] } = spec.successPolicy ?? {};
  if (spec.completionMode !== 'Indexed')
    return [invalidValue(at, successPolicyInGo(rules), 'requires indexed completion mode')];
  return [
    ...(rules.length === 0
      ? [requiredValue(at.rules, 'at least one rules must be specified when the successPolicy is specified')]
      : []),
    ...(rules.length > MAX_RULES ? [tooMany(at.rules, rules.length, MAX_RULES)] : []),
    ...rules.flatMap((rule, i) => validateSuccessRule(rule, spec.completions ?? 0, at.rules[i]!)),
  ];
}

function validateSuccessRule(
  { succeededCount, succeededIndexes }: schema.SuccessPolicyRule,
  completions: number,
  at: At<schema.SuccessPolicyRule>,
): FieldError[] {
  const errors: FieldError[] = [];
  if (succeededCount === undefined && succeededIndexes === undefined)
    errors.push(requiredValue(at, 'at least one of succeededCount or succeededIndexes must be specified'));
  let named = 0;
  if (succeededIndexes !== undefined) {
    if (succeededIndexes.length > MAX_INDEXES_BYTES) errors.push(tooLong(at.succeededIndexes, MAX_INDEXES_BYTES));
    const parsed = parseIndexes(succeededIndexes, completions);
    if ('problem' in parsed) {
      const why = `error parsing succeededIndexes: ${parsed.problem}`;
      errors.push(invalidValue(at.succeededIndexes, succeededIndexes, why));
    } else named = parsed.count;
  }
  if (succeededCount === undefined) return errors;
  errors.push(...isNotNegative(at.succeededCount, succeededCount));
  const atMost = (limit: number, what: string) => `must be less than or equal to ${limit} (the number of ${what})`;
  if (succeededCount > completions)
    errors.push(invalidValue(at.succeededCount, succeededCount, atMost(completions, 'specified completions')));
  if (succeededIndexes !== undefined && succeededCount > named) {
    const why = atMost(named, 'indexes in the specified succeededIndexes field');
    errors.push(invalidValue(at.succeededCount, succeededCount, why));
  }
  return errors;
}
