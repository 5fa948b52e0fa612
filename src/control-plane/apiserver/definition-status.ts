/**
 * What the status of a CustomResourceDefinition says. Pure. Texts and reasons as upstream's, which clients wait for.
 */
import { hasUsableBundle } from '#api/apiextensions/v1/definition-conversion.ts';
import { structuralViolations } from '#api/apiextensions/v1/definition-schemas.ts';
import { approvalOf } from '#api/apiextensions/v1/group-approval.ts';
import type {
  CustomResourceDefinition,
  CustomResourceDefinitionCondition,
  CustomResourceDefinitionStatus,
} from '#api/generated/schema.ts';
import { formatSeconds } from '#api/machinery/timestamp.ts';
import type { NameConflict, Names } from './definition-names.ts';

export type DefinitionStatus = CustomResourceDefinitionStatus;

type Condition = Pick<CustomResourceDefinitionCondition, 'type' | 'status' | 'reason' | 'message'>;

export const isEstablished = ({ status }: CustomResourceDefinition): boolean =>
  status?.conditions?.some((condition) => condition.type === 'Established' && condition.status === 'True') ?? false;

export function statusOf(
  definition: CustomResourceDefinition,
  { names, conflict }: { names: Names; conflict: NameConflict | undefined },
  nowMs: number,
): DefinitionStatus {
  const accepted: Condition = conflict
    ? { type: 'NamesAccepted', status: 'False', ...conflict }
    : { type: 'NamesAccepted', status: 'True', reason: 'NoConflicts', message: 'no conflicts found' };
  const established: Condition = conflict
    ? { type: 'Established', status: 'False', reason: 'NotAccepted', message: 'not all names are accepted' }
    : establishedCondition(definition);
  const violation = violationOf(definition);
  const approval = approvalCondition(definition);
  const changed = [
    accepted,
    ...(isEstablished(definition) ? [] : [established]), // never taken back: it is served
    ...(violation ? [violation] : []),
    ...(approval ? [approval] : []),
  ];
  const { conditions, ...status } = withConditions(definition.status, changed, nowMs);
  return {
    ...status,
    conditions: conditions?.filter(({ type }) => violation || type !== NON_STRUCTURAL) ?? [],
    acceptedNames: names,
  };
}

function establishedCondition({ spec }: CustomResourceDefinition): Condition {
  const type = 'Established';
  return hasUsableBundle(spec)
    ? { type, status: 'True', reason: 'InitialNamesAccepted', message: 'the initial names have been accepted' }
    : { type, status: 'False', reason: 'InvalidCABundle', message: 'The conversion webhook CABundle is invalid' };
}

const NON_STRUCTURAL = 'NonStructuralSchema';

/** New definitions with such a schema are refused; this is for what was stored before. */
function violationOf(definition: CustomResourceDefinition): Condition | undefined {
  const violations = structuralViolations(definition).map(({ field, message }) => `${field}: ${message}`);
  if (violations.length === 0) return undefined;
  const message = violations.length === 1 ? violations[0]! : `[${violations.join(', ')}]`;
  return { type: NON_STRUCTURAL, status: 'True', reason: 'Violations', message };
}

const APPROVAL_REASONS = {
  approved: 'ApprovedAnnotation',
  bypassed: 'UnapprovedAnnotation',
  missing: 'MissingAnnotation',
  invalid: 'InvalidAnnotation',
} as const;

function approvalCondition(definition: CustomResourceDefinition): Condition | undefined {
  const approval = approvalOf(definition);
  if (!approval) return undefined;
  const { state, why } = approval;
  return {
    type: 'KubernetesAPIApprovalPolicyConformant',
    status: state === 'approved' ? 'True' : 'False',
    reason: APPROVAL_REASONS[state],
    message: why,
  };
}

const TERMINATING = {
  InstanceDeletionPending: [
    'True',
    'CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon',
  ],
  InstanceDeletionInProgress: ['True', 'CustomResource deletion is in progress'],
  InstanceDeletionFailed: ['True', ''],
  InstanceDeletionCheck: ['True', 'could not confirm zero CustomResources remaining'],
  InstanceDeletionCompleted: ['False', 'removed all instances'],
  NeverEstablished: ['False', 'resource was never established'],
} as const;

export type TerminatingReason = keyof typeof TERMINATING;

export function terminating(
  { status }: CustomResourceDefinition,
  reason: TerminatingReason,
  { nowMs, why }: { nowMs: number; why?: string },
): DefinitionStatus {
  const [value, text] = TERMINATING[reason];
  const message = [text, why].filter(Boolean).join(': ');
  return withConditions(status, [{ type: 'Terminating', status: value, reason, message }], nowMs);
}

function withConditions(
  status: DefinitionStatus | undefined,
  changed: readonly Condition[],
  nowMs: number,
): DefinitionStatus {
  const conditions = [...(status?.conditions ?? [])];
  for (const condition of changed) {
    const at = conditions.findIndex(({ type }) => type === condition.type);
    const before = conditions[at];
    const isSame = before?.status === condition.status;
    const lastTransitionTime = (isSame && before?.lastTransitionTime) || formatSeconds(Math.floor(nowMs / 1000))!;
    conditions.splice(at < 0 ? conditions.length : at, at < 0 ? 0 : 1, { ...condition, lastTransitionTime });
  }
  return { ...(status as DefinitionStatus), conditions };
}
