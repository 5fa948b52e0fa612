/** Which shares of a device's capacity may be asked for. Source: KEP-5075; API reference, resource.k8s.io/v1. */
import type { CapacityRequestPolicy, CapacityRequestPolicyRange } from '#api/generated/schema.ts';
import { type FieldError, forbiddenField, invalidValue, requiredValue } from '#api/machinery/field-error.ts';
import type { At, Path } from '#api/machinery/field-path.ts';
import { addQuantities, compareQuantities, quantityValue } from '#api/machinery/quantity.ts';
import { validateList } from './device-names.ts';

const MAX_OPTIONS = 10;
const BOTH = 'exactly one policy can be specified, cannot specify "validValues" and "validRange" at the same time';

export function validateRequestPolicy(
  capacity: string,
  policy: CapacityRequestPolicy,
  at: At<CapacityRequestPolicy>,
): FieldError[] {
  const { validValues = [], validRange, default: standard } = policy;
  if (validValues.length > 0 && validRange) return [forbiddenField(at, BOTH)];
  if (validValues.length > 0)
    return standard === undefined
      ? [requiredValue(at.default, 'required when validValues is defined')]
      : validateValues(capacity, { validValues, standard }, at.validValues);
  if (!validRange) return [];
  return standard === undefined
    ? [requiredValue(at.default, 'required when validRange is defined')]
    : validateRange(capacity, { range: validRange, standard }, at.validRange);
}

function validateValues(
  capacity: string,
  { validValues, standard }: { validValues: string[]; standard: string },
  at: At<string[]>,
): FieldError[] {
  const isStandard = validValues.length <= MAX_OPTIONS && validValues.some((one) => isSame(one, standard));
  return [
    ...validValues.flatMap((value, index) =>
      index > 0 && compareQuantities(validValues[index - 1], value) > 0
        ? [invalidValue(at[index]!, value, 'values must be sorted in ascending order')]
        : [],
    ),
    ...validateList(validValues, at, {
      max: MAX_OPTIONS,
      item: (value, here) => atMost(value, capacity, { at: here, what: 'option is larger than capacity value' }),
      keyOf: (value) => String(quantityValue(value)),
    }),
    ...(isStandard ? [] : [invalidValue(at, standard, 'default value is not valid according to the requestPolicy')]),
  ];
}

const isSame = (a: string, b: string) => compareQuantities(a, b) === 0;

const atMost = (value: string, max: string, { at, what, shown = value }: { at: Path; what: string; shown?: string }) =>
  compareQuantities(value, max) > 0 ? [invalidValue(at, shown, `${what}: ${max}`)] : [];

function validateRange(
  capacity: string,
  { range, standard }: { range: CapacityRequestPolicyRange; standard: string },
  at: At<CapacityRequestPolicyRange>,
): FieldError[] {
  const { min, max, step } = range;
  if (min === undefined) return [requiredValue(at.min, 'required when validRange is defined')];
  const errors = atMost(min, capacity, { at: at.min, what: 'min is larger than capacity value' });
  if (compareQuantities(standard, min) < 0)
    errors.push(invalidValue(at.min, standard, `default is less than min: ${min}`));
  if (max !== undefined)
    errors.push(
      ...atMost(min, max, { at: at.max, what: 'min is larger than max' }),
      ...atMost(max, capacity, { at: at.max, what: 'max is larger than capacity value' }),
      ...atMost(standard, max, { at: at.max, what: 'default is more than max' }),
    );
  if (step === undefined) return errors;
  const first = addQuantities(min, step);
  errors.push(
    ...atMost(first, capacity, { at: at.step, what: `one step ${first} is larger than capacity value`, shown: step }),
  );
  const text = `value is not a multiple of a given step (${step}) from (${min})`;
  for (const value of [standard, max])
    if (value !== undefined && (quantityValue(value) - quantityValue(min)) % quantityValue(step) !== 0)
      errors.push(invalidValue(at.step, value, text));
  return errors;
}
