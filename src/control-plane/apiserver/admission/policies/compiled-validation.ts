/** A ValidatingAdmissionPolicy whose expressions are compiled, and what they make of one request. Texts as upstream's validator.go. */
import {
  type CompiledExpression,
  PolicyExpressions,
  RESULTS,
} from '#api/admissionregistration/v1/policy-expressions.ts';
import type { ValidatingAdmissionPolicy } from '#api/admissionregistration/v1/validating-admission-policy.ts';
import type { AuditAnnotation, Validation } from '#api/generated/schema.ts';
import type { Decisions } from '#api/machinery/cel/authorizer.ts';
import { longTypeName } from '#api/machinery/cel/cel-type.ts';
import {
  MAX_MESSAGE_EXPRESSION_BYTES,
  RUNTIME_COST_BUDGET,
  RUNTIME_COST_BUDGET_MATCH_CONDITIONS,
} from '#api/machinery/cel/limits.ts';
import type { Activation } from '#api/machinery/cel/program.ts';
import { typeOfValue } from '#api/machinery/cel/value.ts';
import { Evaluation, type EvaluationOptions, OutOfBudget } from '../expressions/evaluation.ts';
import { type CompiledCondition, matchConditions } from '../expressions/match-conditions.ts';

export interface CompiledValidation {
  failurePolicy: 'Fail' | 'Ignore';
  conditions: readonly CompiledCondition[];
  variables: ReadonlyMap<string, CompiledExpression>;
  validations: readonly { validation: Validation; compiled: CompiledExpression; message?: CompiledExpression }[];
  annotations: readonly { annotation: AuditAnnotation; compiled: CompiledExpression }[];
}

export function compileValidation({ spec }: ValidatingAdmissionPolicy): CompiledValidation {
  const expressions = new PolicyExpressions({ composes: true, hasParams: spec.paramKind !== undefined });
  for (const { name, expression } of spec.variables ?? []) expressions.addVariable(name, expression);
  return {
    failurePolicy: spec.failurePolicy,
    variables: expressions.variables,
    conditions: (spec.matchConditions ?? []).map(({ name, expression }) => ({
      name,
      compiled: expressions.compile(expression, RESULTS.condition),
    })),
    validations: (spec.validations ?? []).map((validation) => ({
      validation,
      compiled: expressions.compile(validation.expression, RESULTS.condition),
      ...(validation.messageExpression && {
        message: expressions.compile(validation.messageExpression, RESULTS.message, { hasAuthorizer: false }),
      }),
    })),
    annotations: (spec.auditAnnotations ?? []).map((annotation) => ({
      annotation,
      compiled: expressions.compile(annotation.valueExpression, RESULTS.annotation),
    })),
  };
}

/** What is said of one validation, or of the whole policy when it could not be evaluated. */
export interface Decision {
  isAllowed: boolean;
  /** It was not told by the expression: something went wrong. */
  isError: boolean;
  message: string;
  /** Of the HTTP answer; absent: Invalid. */
  reason?: string;
  seconds: number;
}

export interface Judgement {
  /** By index of the validation. */
  decisions: readonly Decision[];
  /** For the audit event. */
  annotations: readonly { key: string; value: string }[];
  /** Annotations that could not be made: they deny the request. */
  failures: readonly Decision[];
}

export interface Question {
  /** All but the authorizer. */
  variables: Activation;
  authorizer: Activation;
  decisions: Decisions;
  /** In seconds. */
  now(): number;
}

export async function judge(policy: CompiledValidation, question: Question): Promise<Judgement> {
  const conditions = await conditionsOf(policy, question);
  if ('error' in conditions) return failed(policy, conditions.error);
  if (!conditions.matches) return NOTHING;
  try {
    const decisions = await decisionsOf(policy, question);
    return { decisions, ...(await annotationsOf(policy, question)) };
  } catch (error) {
    if (error instanceof OutOfBudget) return failed(policy, error.message);
    throw error;
  }
}

const NOTHING: Judgement = { decisions: [], annotations: [], failures: [] };

const failed = (policy: CompiledValidation, message: string): Judgement => ({
  ...NOTHING,
  decisions: [errorDecision(policy, message, 0)],
});

const errorDecision = ({ failurePolicy }: CompiledValidation, message: string, seconds: number): Decision => ({
  isAllowed: failurePolicy === 'Ignore',
  isError: true,
  message,
  seconds,
});

/** Variables are evaluated anew for each part of a policy. */
const evaluationOf = (
  { variables: composed }: CompiledValidation,
  { decisions, variables }: Pick<EvaluationOptions, 'decisions' | 'variables'>,
  budget: number = RUNTIME_COST_BUDGET,
): Evaluation => new Evaluation({ variables, composed, decisions, budget });

/** Conditions do not see the namespace. */
async function conditionsOf(policy: CompiledValidation, { variables, authorizer, decisions }: Question) {
  if (policy.conditions.length === 0) return { matches: true };
  const seen = { ...variables, ...authorizer, namespaceObject: null };
  return matchConditions(
    policy.conditions,
    evaluationOf(policy, { decisions, variables: seen }, RUNTIME_COST_BUDGET_MATCH_CONDITIONS),
  );
}

async function decisionsOf(policy: CompiledValidation, question: Question): Promise<Decision[]> {
  const { variables, authorizer, decisions: known, now } = question;
  const evaluation = evaluationOf(policy, { decisions: known, variables: { ...variables, ...authorizer } });
  const decisions: Decision[] = [];
  const refused: number[] = [];
  for (const [index, { compiled, validation }] of policy.validations.entries()) {
    const began = now();
    const { value, error } = await evaluation.evaluate(compiled);
    const seconds = now() - began;
    if (error !== undefined) decisions.push(errorDecision(policy, error, seconds));
    else if (value === true) decisions.push({ isAllowed: true, isError: false, message: '', seconds });
    else {
      refused.push(index);
      decisions.push({
        isAllowed: false,
        isError: false,
        message: '',
        reason: validation.reason ?? 'Invalid',
        seconds,
      });
    }
  }
  if (refused.length === 0) return decisions;
  // Messages do not see the authorizer, and are paid from what is left.
  const messages = evaluationOf(policy, { decisions: known, variables }, evaluation.budgetLeft);
  for (const index of refused) decisions[index] = await withMessage(policy, { index, decisions, messages });
  return decisions;
}

async function withMessage(
  policy: CompiledValidation,
  { index, decisions, messages }: { index: number; decisions: readonly Decision[]; messages: Evaluation },
): Promise<Decision> {
  const { validation, message } = policy.validations[index]!;
  const decision = decisions[index]!;
  try {
    const { value } = message ? await messages.evaluate(message) : {};
    return { ...decision, message: messageOf(validation, value) };
  } catch (error) {
    if (!(error instanceof OutOfBudget)) throw error;
    return errorDecision(policy, `failed messageExpression: ${error.message}`, decision.seconds);
  }
}

function messageOf({ message = '', expression }: Validation, evaluated: unknown): string {
  const text = typeof evaluated === 'string' ? evaluated.trim() : '';
  const isGood = !text.includes('\n') && bytesOf(text) <= MAX_MESSAGE_EXPRESSION_BYTES;
  return (isGood && text) || message.trim() || `failed expression: ${expression.trim()}`;
}

const bytesOf = (text: string): number => Buffer.byteLength(text);

/** They do not see the authorizer either. */
async function annotationsOf(
  policy: CompiledValidation,
  { variables, decisions, now }: Question,
): Promise<Pick<Judgement, 'annotations' | 'failures'>> {
  const annotations: { key: string; value: string }[] = [];
  const failures: Decision[] = [];
  const evaluation = evaluationOf(policy, { decisions, variables });
  for (const { annotation, compiled } of policy.annotations) {
    const began = now();
    const { value, error } = await evaluation.evaluate(compiled);
    if (typeof value === 'string') {
      if (value.trim()) annotations.push({ key: annotation.key, value: value.trim() });
    } else if (error !== undefined || value !== null) {
      const problem = error ?? unsupported(annotation, longTypeName(typeOfValue(value ?? null)));
      if (error === undefined || policy.failurePolicy !== 'Ignore')
        failures.push({ isAllowed: false, isError: true, message: problem, seconds: now() - began });
    }
  }
  return { annotations, failures };
}

const unsupported = ({ valueExpression }: AuditAnnotation, type: string): string =>
  `valueExpression '${valueExpression}' resulted in unsupported return type: ${type}. Return type must be either string or null.`;
