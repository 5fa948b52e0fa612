/** What x-kubernetes-validations may say, before anything is compiled. Texts and order as upstream. */
import type { ValidationRule } from '#api/generated/schema.ts';
import { type FieldError, invalidValue, notSupportedValue, requiredValue } from '../field-error.ts';
import { readFieldPath } from './rule-field-path.ts';
import type { JSONSchemaProps } from './schema-parts.ts';

export const RULES = 'x-kubernetes-validations';

const REASONS = ['FieldValueDuplicate', 'FieldValueForbidden', 'FieldValueInvalid', 'FieldValueRequired'];
const LINE_BREAK = /[\n\r]/;

/** Of one schema, not of those below it. */
export const ruleTextErrors = (schema: JSONSchemaProps, path: string): FieldError[] =>
  (schema[RULES] ?? []).flatMap((rule, index) => textErrors(rule, schema, `${path}.${RULES}[${index}]`));

function textErrors(rule: ValidationRule, schema: JSONSchemaProps, at: string): FieldError[] {
  const { messageExpression = '', reason, fieldPath = '' } = rule;
  const errors = sentenceErrors(rule, at);
  if (messageExpression && !messageExpression.trim())
    errors.push(requiredValue(`${at}.messageExpression`, 'messageExpression must be non-empty if specified'));
  if (reason !== undefined && !REASONS.includes(reason))
    errors.push(notSupportedValue(`${at}.reason`, reason, REASONS));
  const badPath = (why: string) => errors.push(invalidValue(`${at}.fieldPath`, fieldPath, why));
  if (fieldPath && !fieldPath.trim()) badPath('must be non-empty if specified');
  if (LINE_BREAK.test(fieldPath)) badPath('must not contain line breaks');
  if (fieldPath && readFieldPath(fieldPath, schema) === undefined) badPath('must be a valid path');
  return errors;
}

/** The first thing that is wrong with the rule and its message. */
function sentenceErrors({ rule = '', message = '' }: ValidationRule, at: string): FieldError[] {
  const text = message.trim();
  if (!rule.trim()) return [requiredValue(`${at}.rule`, 'rule is not specified')];
  if (message && !text) return [invalidValue(`${at}.message`, message, 'must be non-empty if specified')];
  if (LINE_BREAK.test(text)) return [invalidValue(`${at}.message`, message, 'must not contain line breaks')];
  if (LINE_BREAK.test(rule.trim()) && !text)
    return [requiredValue(`${at}.message`, 'message must be specified if rule contains line breaks')];
  return [];
}
