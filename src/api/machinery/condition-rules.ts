/** What a condition of the common form may say. Source: API conventions, "Typical status properties". */
import type { Condition } from '#api/generated/schema.ts';
import {
  duplicateValue,
  type FieldError,
  invalidValue,
  notSupportedValue,
  requiredValue,
  tooLong,
} from './field-error.ts';
import type { At } from './field-path.ts';
import { follows } from './field-rules.ts';
import { patternComplaint, qualifiedName } from './names.ts';
import { repeatedIn } from './repeated.ts';

const MAX_REASON_BYTES = 1024;
const MAX_MESSAGE_BYTES = 32 * 1024;
const REASON = '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?';
const IS_REASON = new RegExp(`^${REASON}$`);
const STATUSES = ['False', 'True', 'Unknown'];

export function validateConditions(conditions: readonly Condition[] = [], at: At<Condition[]>): FieldError[] {
  const repeated = repeatedIn(conditions.map(({ type }) => type));
  return conditions.flatMap((condition, index) => {
    const here = at[index]!;
    const { type, status, reason, message = '', observedGeneration = 0, lastTransitionTime } = condition;
    return [
      ...(repeated.has(index) ? [duplicateValue(here.type, type)] : []),
      ...follows(here.type, type ?? '', qualifiedName),
      ...(STATUSES.includes(status) ? [] : [notSupportedValue(here.status, status ?? '', STATUSES)]),
      ...(observedGeneration < 0
        ? [invalidValue(here.observedGeneration, observedGeneration, 'must be greater than or equal to zero')]
        : []),
      ...(lastTransitionTime ? [] : [requiredValue(here.lastTransitionTime)]),
      ...validateReason(reason ?? '', here.reason),
      ...(message.length > MAX_MESSAGE_BYTES ? [tooLong(here.message, MAX_MESSAGE_BYTES)] : []),
    ];
  });
}

function validateReason(reason: string, at: At<string>): FieldError[] {
  if (!reason) return [requiredValue(at)];
  const rule =
    "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters or '_,:', and must end with an alphanumeric character or '_'";
  const examples = ['my_name', 'MY_NAME', 'MyName', 'ReasonA,ReasonB', 'ReasonA:ReasonB'];
  return [
    ...(IS_REASON.test(reason) ? [] : [invalidValue(at, reason, patternComplaint(rule, REASON, ...examples))]),
    ...(reason.length > MAX_REASON_BYTES ? [tooLong(at, MAX_REASON_BYTES)] : []),
  ];
}
