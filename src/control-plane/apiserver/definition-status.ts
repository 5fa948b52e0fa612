/**
 * What the status of a CustomResourceDefinition says. Pure. Texts and reasons as upstream's, which clients wait for.
 */
import { structuralViolations } from '#api/apiextensions/v1/definition-schemas.ts';
import type {
  CustomResourceDefinition,
  CustomResourceDefinitionCondition,
  CustomResourceDefinitionStatus,
} from '#api/generated/schema.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { formatSeconds } from '#api/machinery/timestamp.ts';

export type DefinitionStatus = CustomResourceDefinitionStatus;

export interface NameConflict {
  reason: string;
  message: string;
}

type Condition = Pick<CustomResourceDefinitionCondition, 'type' | 'status' | 'reason' | 'message'>;

/** The first name that somebody else in its group has. */
export function nameConflictOf({ spec }: CustomResourceDefinition, others: readonly Kind[]): NameConflict | undefined {
  const { names } = spec;
  const group = others.filter((kind) => kind.group === spec.group);
  const resources = new Set(group.flatMap(({ plural, singular, shortNames }) => [plural, singular, ...shortNames]));
  const kinds = new Set(group.flatMap(({ kind, listKind }) => [kind, listKind]));
  const inUse = (reason: string, name: string) => ({ reason, message: `${JSON.stringify(name)} is already in use` });
  if (resources.has(names.plural)) return inUse('PluralConflict', names.plural);
  if (names.singular && resources.has(names.singular)) return inUse('SingularConflict', names.singular);
  const short = names.shortNames?.find((name) => resources.has(name));
  if (short) return inUse('ShortNamesConflict', short);
  if (kinds.has(names.kind)) return inUse('KindConflict', names.kind);
  if (names.listKind && kinds.has(names.listKind)) return inUse('ListKindConflict', names.listKind);
  return undefined;
}

export function statusOf(
  definition: CustomResourceDefinition,
  conflict: NameConflict | undefined,
  nowMs: number,
): DefinitionStatus {
  const accepted: Condition = conflict
    ? { type: 'NamesAccepted', status: 'False', ...conflict }
    : { type: 'NamesAccepted', status: 'True', reason: 'NoConflicts', message: 'no conflicts found' };
  const established: Condition = conflict
    ? { type: 'Established', status: 'False', reason: 'NotAccepted', message: 'not all names are accepted' }
    : {
        type: 'Established',
        status: 'True',
        reason: 'InitialNamesAccepted',
        message: 'the initial names have been accepted',
      };
  const before = definition.status;
  const wasEstablished = before?.conditions?.some(({ type, status }) => type === 'Established' && status === 'True');
  const violation = violationOf(definition);
  const changed = [
    accepted,
    ...(conflict && wasEstablished ? [] : [established]), // never taken back: it is served
    ...(violation ? [violation] : []),
  ];
  const { conditions, ...status } = withConditions(before, changed, nowMs);
  return {
    ...status,
    conditions: conditions?.filter(({ type }) => violation || type !== NON_STRUCTURAL) ?? [],
    ...(!conflict && { acceptedNames: definition.spec.names }),
  };
}

const NON_STRUCTURAL = 'NonStructuralSchema';

/** New definitions with such a schema are refused; this is for what was stored before. */
function violationOf(definition: CustomResourceDefinition): Condition | undefined {
  const violations = structuralViolations(definition).map(({ field, message }) => `${field}: ${message}`);
  if (violations.length === 0) return undefined;
  const message = violations.length === 1 ? violations[0]! : `[${violations.join(', ')}]`;
  return { type: NON_STRUCTURAL, status: 'True', reason: 'Violations', message };
}

const TERMINATING_TEXTS: Readonly<Record<string, string>> = {
  InstanceDeletionInProgress: 'CustomResource deletion is in progress',
  InstanceDeletionCompleted: 'removed all instances',
};

export function terminating(
  { status }: CustomResourceDefinition,
  reason: 'InstanceDeletionInProgress' | 'InstanceDeletionCompleted',
  nowMs: number,
): DefinitionStatus {
  const isOver = reason === 'InstanceDeletionCompleted';
  const condition = {
    type: 'Terminating',
    status: isOver ? 'False' : 'True',
    reason,
    message: TERMINATING_TEXTS[reason]!,
  };
  return withConditions(status, [condition], nowMs);
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
