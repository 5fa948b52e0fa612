/** FlowSchema: which requests wait in which priority level. Source: API reference, flowcontrol.apiserver.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn } from '#api/machinery/define-kind.ts';
import { invalidValue, requiredValue } from '#api/machinery/field-error.ts';
import { isOneOf } from '#api/machinery/field-rules.ts';

export type FlowSchema = schema.FlowSchema;

const MAX_PRECEDENCE = 10_000;

export const FlowSchema = defineKind<schema.FlowSchema>({
  group: 'flowcontrol.apiserver.k8s.io',
  version: 'v1',
  kind: 'FlowSchema',
  plural: 'flowschemas',
  scope: 'Cluster',
  subresources: ['status'],
  statusKeeps: ['labels', 'annotations', 'finalizers', 'ownerReferences'],
  generationOf: ({ spec }) => spec,
  defaults: (flow) =>
    ({
      ...flow,
      spec: { ...flow.spec, matchingPrecedence: flow.spec?.matchingPrecedence || 1000 },
    }) as schema.FlowSchema,
  validate: ({ metadata, spec }, { spec: at }) => [
    ...(spec.matchingPrecedence < 1 || spec.matchingPrecedence > MAX_PRECEDENCE
      ? [
          invalidValue(
            at.matchingPrecedence,
            spec.matchingPrecedence,
            spec.matchingPrecedence < 1 ? 'must be a positive value' : `must not be greater than ${MAX_PRECEDENCE}`,
          ),
        ]
      : []),
    ...(spec.matchingPrecedence === 1 && metadata.name !== 'exempt'
      ? [invalidValue(at.matchingPrecedence, 1, "only the schema named 'exempt' may have matchingPrecedence 1")]
      : []),
    ...isOneOf(at.distinguisherMethod.type, spec.distinguisherMethod?.type, ['ByNamespace', 'ByUser']),
    ...(spec.priorityLevelConfiguration?.name
      ? []
      : [requiredValue(at.priorityLevelConfiguration.name, 'must reference a priority level')]),
  ],
  columns: [
    nameColumn(),
    column('PriorityLevel', 'string', ({ spec }) => spec.priorityLevelConfiguration.name),
    column('MatchingPrecedence', 'string', ({ spec }) => String(spec.matchingPrecedence)),
    column('DistinguisherMethod', 'string', ({ spec }) => spec.distinguisherMethod?.type ?? '<none>'),
    ageColumn(),
    column(
      'MissingPL',
      'string',
      ({ status }) => status?.conditions?.find(({ type }) => type === 'Dangling')?.status ?? '?',
    ),
  ],
  allowUnconditionalUpdate: false,
});
