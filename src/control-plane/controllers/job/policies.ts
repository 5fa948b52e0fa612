/** What the user's policies say of pods that failed and of indexes that succeeded. Source: KEP-3329, KEP-3850, KEP-3998. */
import type { Job, Pod, PodFailurePolicyRule } from '#api/generated/schema.ts';
import { CompletionIndexes } from './completion-indexes.ts';

export interface FailureMatch {
  action: PodFailurePolicyRule['action'];
  message: string;
}

/** By the first rule that matches. */
export function failureMatch({ spec }: Job, pod: Pod): FailureMatch | undefined {
  for (const [index, rule] of (spec.podFailurePolicy?.rules ?? []).entries()) {
    const cause = rule.onExitCodes ? exitCodeCause(rule, pod) : conditionCause(rule, pod);
    if (cause) return { action: rule.action, message: `${cause} matching ${rule.action} rule at index ${index}` };
  }
  return undefined;
}

function exitCodeCause({ onExitCodes }: PodFailurePolicyRule, { metadata, status }: Pod): string | undefined {
  if (!onExitCodes || !status) return undefined;
  const { containerName, operator, values } = onExitCodes;
  for (const { name, state } of [...(status.containerStatuses ?? []), ...(status.initContainerStatuses ?? [])]) {
    const exitCode = state?.terminated?.exitCode ?? 0;
    if (exitCode === 0 || (containerName && containerName !== name)) continue;
    if (values.includes(exitCode) === (operator === 'In'))
      return `Container ${name} for pod ${metadata.namespace}/${metadata.name} failed with exit code ${exitCode}`;
  }
  return undefined;
}

/** By the first of the pod's conditions, in its own order. */
function conditionCause({ onPodConditions = [] }: PodFailurePolicyRule, { metadata, status }: Pod): string | undefined {
  const found = status?.conditions?.find(({ type, status: is }) =>
    onPodConditions.some((pattern) => type === pattern.type && is === (pattern.status ?? 'True')),
  );
  return found && `Pod ${metadata.namespace}/${metadata.name} has condition ${found.type}`;
}

/** Why so much success is enough; undefined when it is not. */
export function successMatch({ spec }: Job, succeeded: CompletionIndexes): string | undefined {
  if (succeeded.size === 0) return undefined;
  const rules = spec.successPolicy?.rules ?? [];
  const index = rules.findIndex(({ succeededIndexes, succeededCount }) => {
    if (succeededIndexes === undefined) return succeededCount !== undefined && succeeded.size >= succeededCount;
    const wanted = CompletionIndexes.parse(succeededIndexes, spec.completions ?? 0);
    return wanted.size > 0 && wanted.overlap(succeeded) >= Math.min(succeededCount ?? wanted.size, wanted.size);
  });
  return index < 0 ? undefined : `Matched rules at index ${index}`;
}
