/** Taints of devices, and what tolerates them. Source: API reference, resource.k8s.io/v1; KEP-5055. */
import type { DeviceTaint, DeviceToleration } from '#api/generated/schema.ts';
import { type FieldError, invalidValue, requiredValue } from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { follows, isOneOf, mustBeOneOf } from '#api/machinery/field-rules.ts';
import { labelValue, qualifiedName } from '#api/machinery/names.ts';

const EFFECTS = ['NoExecute', 'NoSchedule', 'None'];

export const validateDeviceTaint = (
  { key = '', value = '', effect }: DeviceTaint,
  at: At<DeviceTaint>,
): FieldError[] => [
  ...follows(at.key, key, qualifiedName),
  ...follows(at.value, value, labelValue),
  ...mustBeOneOf(at.effect, effect, EFFECTS),
];

export const validateDeviceToleration = (toleration: DeviceToleration, at: At<DeviceToleration>): FieldError[] => [
  ...(toleration.key ? follows(at.key, toleration.key, qualifiedName) : []),
  ...validateOperator(toleration, at),
  ...(toleration.effect ? isOneOf(at.effect, toleration.effect, EFFECTS) : []),
];

function validateOperator({ operator, value = '' }: DeviceToleration, at: At<DeviceToleration>): FieldError[] {
  if (!operator) return [requiredValue(at.operator)];
  if (operator === 'Equal') return follows(at.value, value, labelValue);
  if (operator === 'Exists') return value ? [invalidValue(at.value, value, 'must be empty for operator `Exists`')] : [];
  return isOneOf(at.operator, operator, ['Equal', 'Exists']);
}

export function toleratesDeviceTaint(
  { key, operator, value = '', effect }: DeviceToleration,
  taint: DeviceTaint,
): boolean {
  if (effect && effect !== taint.effect) return false;
  if (key && key !== taint.key) return false;
  return operator === 'Exists' || value === (taint.value ?? '');
}
