/**
 * How much an expression may cost. The unit is CEL's: about one step of the evaluator, or ten characters looked at.
 * Source: k8s.io/apiserver pkg/apis/cel, apiextensions validation, admissionregistration validation.
 */

/** Of one evaluation of one expression; what is above it ends with `COST_LIMIT_EXCEEDED`. About a tenth of a second. */
export const PER_CALL_LIMIT = 1_000_000;
/** Of all rules of one custom resource, or of one policy binding, in one request. */
export const RUNTIME_COST_BUDGET = 10_000_000;
/** Of all matchConditions of one webhook or of one policy binding. */
export const RUNTIME_COST_BUDGET_MATCH_CONDITIONS = 2_500_000;
/** Of the worst case of one rule of a CRD, multiplied by how often it may run in one object. */
export const STATIC_ESTIMATED_COST_LIMIT = 10_000_000;
/** Of the sum of all rules of one CRD version. */
export const STATIC_ESTIMATED_CRD_COST_LIMIT = 100_000_000;
/** The request size from which worst cases are estimated; stays as it is when a server allows more. */
export const MAX_REQUEST_SIZE_BYTES = 3 * 1024 * 1024;
/** Of the text a messageExpression makes. */
export const MAX_MESSAGE_EXPRESSION_BYTES = 5 * 1024;
/** Of the source of one expression, in characters (code points). */
export const MAX_EXPRESSION_CODE_POINTS = 100_000;

export const COST_LIMIT_EXCEEDED = 'operation cancelled: actual cost limit exceeded';
