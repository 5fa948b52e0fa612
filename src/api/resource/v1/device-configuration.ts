/** How devices are selected and set up: of claims as of classes. Source: API reference, resource.k8s.io/v1. */

import { validateDriverName } from '#api/core/v1/pod/volume-sources.ts';
import type { DeviceConfiguration, DeviceSelector, OpaqueDeviceConfiguration } from '#api/generated/schema.ts';
import { type FieldError, forbiddenField, invalidValue, requiredValue, tooLong } from '#api/machinery/field-error.ts';
import type { At, Path } from '#api/machinery/field-path.ts';
import { byteLength } from '#api/machinery/object-meta.ts';
import { compileDeviceSelector, SELECTOR_COST_LIMIT } from './device-expression.ts';
import { validateList } from './device-names.ts';

const MAX_SELECTORS = 32;
const MAX_EXPRESSION = 10 * 1024;
const MAX_OPAQUE = 10 * 1024;

export const validateSelectors = (selectors: DeviceSelector[] | undefined, at: At<DeviceSelector[]>): FieldError[] =>
  validateList(selectors, at, {
    max: MAX_SELECTORS,
    item: ({ cel }, here) =>
      cel ? validateExpression(cel.expression ?? '', here.cel.expression) : [requiredValue(here.cel)],
  });

function validateExpression(expression: string, at: Path): FieldError[] {
  if (byteLength(expression) > MAX_EXPRESSION) return [tooLong(at, MAX_EXPRESSION)];
  const compiled = compileDeviceSelector(expression);
  if ('problem' in compiled) return [invalidValue(at, expression, compiled.problem)];
  return compiled.program.estimateCost().max > SELECTOR_COST_LIMIT
    ? [forbiddenField(at, 'too complex, exceeds cost limit')]
    : [];
}

export const validateDeviceConfiguration = (
  { opaque }: DeviceConfiguration,
  at: At<DeviceConfiguration>,
): FieldError[] => (opaque ? validateOpaque(opaque, at.opaque) : [requiredValue(at.opaque)]);

const validateOpaque = (opaque: OpaqueDeviceConfiguration, at: At<OpaqueDeviceConfiguration>): FieldError[] => [
  ...validateDriverName(opaque.driver, at.driver),
  ...validateRawObject(opaque.parameters, at.parameters),
];

/** Any JSON object that is not too long. */
export function validateRawObject(raw: unknown, at: Path): FieldError[] {
  if (raw === undefined || raw === null) return [requiredValue(at)];
  if (byteLength(JSON.stringify(raw)) > MAX_OPAQUE) return [tooLong(at, MAX_OPAQUE)];
  return typeof raw === 'object' && !Array.isArray(raw)
    ? []
    : [invalidValue(at, '<value omitted>', 'must be a valid JSON object')];
}
