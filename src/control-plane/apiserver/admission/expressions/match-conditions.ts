/** Whether the matchConditions of a webhook or policy hold. Source: Kubernetes documentation, "Matching requests: matchConditions". */
import type { CompiledExpression } from '#api/admissionregistration/v1/policy-expressions.ts';
import { type Evaluation, OutOfBudget } from './evaluation.ts';

export interface CompiledCondition {
  name: string;
  compiled: CompiledExpression;
}

/** One condition that is false decides, whatever is wrong with others. An error is all their texts. */
export async function matchConditions(
  conditions: readonly CompiledCondition[],
  evaluation: Evaluation,
): Promise<{ matches: boolean } | { error: string }> {
  const errors: string[] = [];
  try {
    for (const { compiled } of conditions) {
      const { value, error } = await evaluation.evaluate(compiled);
      if (error !== undefined) errors.push(error);
      else if (value === false) return { matches: false };
    }
  } catch (error) {
    if (!(error instanceof OutOfBudget)) throw error;
    return { error: error.message };
  }
  if (errors.length === 0) return { matches: true };
  return { error: errors.length === 1 ? errors[0]! : `[${[...new Set(errors)].join(', ')}]` };
}
