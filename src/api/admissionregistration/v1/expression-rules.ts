/** Whether the expressions of webhooks and policies are good. Source: API reference, admissionregistration.k8s.io/v1; texts as upstream. */
import type * as schema from '#api/generated/schema.ts';
import type { CelType } from '#api/machinery/cel/cel-type.ts';
import { isReserved } from '#api/machinery/cel/escaping.ts';
import { duplicateValue, type FieldError, invalidValue, requiredValue, tooMany } from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { follows, isOneOf } from '#api/machinery/field-rules.ts';
import { qualifiedName } from '#api/machinery/names.ts';
import { repeatedIn } from '#api/machinery/repeated.ts';
import { type CompiledExpression, PolicyExpressions, RESULTS } from './policy-expressions.ts';

const MAX_MATCH_CONDITIONS = 64;
const MAX_AUDIT_ANNOTATIONS = 20;
/** Of an expression whose value may be 10 KiB: what joins texts makes longer ones. */
const MAX_VALUE_EXPRESSION_BYTES = 5 * 1024;
const LINE_BREAK = /[\n\r]/;
const IDENTIFIER = /^[_a-zA-Z][_a-zA-Z0-9]*$/;

export function validateMatchConditions(
  conditions: readonly schema.MatchCondition[],
  at: At<schema.MatchCondition[]>,
  { hasParams }: { hasParams: boolean },
): FieldError[] {
  const expressions = new PolicyExpressions({ composes: false, hasParams });
  const repeated = repeatedIn(conditions.map(({ name }) => name));
  return [
    ...(conditions.length > MAX_MATCH_CONDITIONS ? [tooMany(at, conditions.length, MAX_MATCH_CONDITIONS)] : []),
    ...conditions.flatMap(({ name, expression = '' }, i) => [
      ...trimmedErrors(expression, at[i]!.expression, (source) => expressions.compile(source, RESULTS.condition)),
      ...(name ? follows(at[i]!.name, name, qualifiedName) : [requiredValue(at[i]!.name)]),
      ...(name && repeated.has(i) ? [duplicateValue(at[i]!.name, name)] : []),
    ]),
  ];
}

function trimmedErrors(source: string, at: At<string>, compile: (source: string) => CompiledExpression): FieldError[] {
  const trimmed = source.trim();
  return trimmed ? problemsOf(compile(trimmed), trimmed, at) : [requiredValue(at)];
}

const problemsOf = ({ problem }: CompiledExpression, source: string, at: At<string>): FieldError[] =>
  problem === undefined ? [] : [invalidValue(at, source, problem)];

export const validateVariables = (
  variables: readonly schema.Variable[],
  at: At<schema.Variable[]>,
  expressions: PolicyExpressions,
): FieldError[] =>
  variables.flatMap(({ name = '', expression = '' }, i) => [
    ...(name.trim() ? [] : [requiredValue(at[i]!.name, 'name is not specified')]),
    ...(name.trim() && !isIdentifier(name) ? [invalidValue(at[i]!.name, name, 'must be a valid CEL identifier')] : []),
    ...(expression.trim()
      ? problemsOf(expressions.addVariable(name, expression), expression, at[i]!.expression)
      : [requiredValue(at[i]!.expression, 'expression is not specified')]),
  ]);

const isIdentifier = (name: string): boolean => IDENTIFIER.test(name) && !isReserved(name);

const REASONS = ['Forbidden', 'Invalid', 'RequestEntityTooLarge'];

export const validateValidations = (
  validations: readonly schema.Validation[],
  at: At<schema.Validation[]>,
  expressions: PolicyExpressions,
): FieldError[] =>
  validations.flatMap(({ expression = '', message = '', messageExpression = '', reason }, i) => [
    ...(expression.trim()
      ? problemsOf(expressions.compile(expression, RESULTS.condition), expression, at[i]!.expression)
      : [requiredValue(at[i]!.expression, 'expression is not specified')]),
    ...messageExpressionErrors(messageExpression, at[i]!.messageExpression, expressions),
    ...messageErrors(message, at[i]!.message),
    ...isOneOf(at[i]!.reason, reason, REASONS),
  ]);

function messageExpressionErrors(source: string, at: At<string>, expressions: PolicyExpressions): FieldError[] {
  if (source && !source.trim()) return [invalidValue(at, source, 'must be non-empty if specified')];
  if (!source) return [];
  return problemsOf(expressions.compile(source, RESULTS.message, { hasAuthorizer: false }), source, at);
}

function messageErrors(message: string, at: At<string>): FieldError[] {
  if (message && !message.trim()) return [invalidValue(at, message, 'must be non-empty if specified')];
  return LINE_BREAK.test(message.trim()) ? [invalidValue(at, message, 'must not contain line breaks')] : [];
}

/** `policy`: their keys in the audit event begin with its name. */
export function validateAuditAnnotations(
  annotations: readonly schema.AuditAnnotation[],
  at: At<schema.AuditAnnotation[]>,
  { policy, expressions }: { policy: string; expressions: PolicyExpressions },
): FieldError[] {
  const repeated = repeatedIn(annotations.map(({ key }) => key));
  return [
    ...(annotations.length > MAX_AUDIT_ANNOTATIONS
      ? [invalidValue(at, annotations, `must not have more than ${MAX_AUDIT_ANNOTATIONS} auditAnnotations`)]
      : []),
    ...annotations.flatMap(({ key = '', valueExpression = '' }, i) => [
      ...(policy
        ? follows(at[i]!.key, `${policy}/${key}`, qualifiedName)
        : [invalidValue(at[i]!.key, key, 'requires metadata.name be non-empty')]),
      ...valueErrors(valueExpression, at[i]!.valueExpression, expressions),
      ...(repeated.has(i) ? [duplicateValue(at[i]!.key, key)] : []),
    ]),
  ];
}

function valueErrors(source: string, at: At<string>, expressions: PolicyExpressions): FieldError[] {
  const trimmed = source.trim();
  if (!trimmed) return [requiredValue(at, 'valueExpression is not specified')];
  if (new TextEncoder().encode(trimmed).length > MAX_VALUE_EXPRESSION_BYTES)
    return [requiredValue(at, `must not exceed ${MAX_VALUE_EXPRESSION_BYTES} bytes in length`)];
  return problemsOf(expressions.compile(trimmed, RESULTS.annotation), source, at);
}

export const validateMutations = (
  mutations: readonly schema.Mutation[],
  at: At<schema.Mutation[]>,
  expressions: PolicyExpressions,
): FieldError[] =>
  mutations.flatMap((mutation, i) => {
    const { patchType, jsonPatch, applyConfiguration } = mutation;
    const { applyConfiguration: applyAt, jsonPatch: patchAt, patchType: typeAt } = at[i]!;
    if (!patchType) return [requiredValue(typeAt)];
    const only = { expressions, patchType };
    if (patchType === 'JSONPatch')
      return [
        ...patchErrors(jsonPatch, patchAt, { ...only, results: RESULTS.jsonPatch }),
        ...(applyConfiguration ? [notBeside(applyAt, '{applyConfiguration}', patchType)] : []),
      ];
    if (patchType === 'ApplyConfiguration')
      return [
        ...patchErrors(applyConfiguration, applyAt, { ...only, results: RESULTS.apply }),
        ...(jsonPatch ? [notBeside(patchAt, '{jsonPatch}', patchType)] : []),
      ];
    return isOneOf(typeAt, patchType, ['ApplyConfiguration', 'JSONPatch']);
  });

const notBeside = (at: At<unknown>, shown: string, patchType: string): FieldError =>
  invalidValue(at, shown, `must not be specified when patchType is ${patchType}`);

interface PatchContext {
  expressions: PolicyExpressions;
  patchType: string;
  results: readonly CelType[];
}

function patchErrors(
  patch: { expression?: string } | undefined,
  at: At<{ expression?: string }>,
  { expressions, patchType, results }: PatchContext,
): FieldError[] {
  if (!patch) return [requiredValue(at, `must be specified when patchType is ${patchType}`)];
  return trimmedErrors(patch.expression ?? '', at.expression, (source) =>
    expressions.compile(source, results, { hasPatchTypes: true }),
  );
}
