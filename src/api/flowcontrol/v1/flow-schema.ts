/** FlowSchema: which requests wait in which priority level. Source: API reference, flowcontrol.apiserver.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn } from '#api/machinery/define-kind.ts';
import { invalidValue, notSupportedValue, requiredValue } from '#api/machinery/field-error.ts';
import { root } from '#api/machinery/field-path.ts';
import { follows } from '#api/machinery/field-rules.ts';
import { dns1123Subdomain } from '#api/machinery/names.ts';
import { validateFlowConditions, validateFlowRules } from './flow-schema-rules.ts';
import { isMandatoryFlow } from './mandatory-objects.ts';

export type FlowSchema = schema.FlowSchema;

const MAX_PRECEDENCE = 10_000;
const METHODS = ['ByNamespace', 'ByUser'];

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
    ...(spec.distinguisherMethod && !METHODS.includes(spec.distinguisherMethod.type)
      ? [notSupportedValue(at.distinguisherMethod.type, { Type: spec.distinguisherMethod.type ?? '' }, METHODS)]
      : []),
    ...(spec.priorityLevelConfiguration?.name
      ? follows(at.priorityLevelConfiguration.name, spec.priorityLevelConfiguration.name, dns1123Subdomain)
      : [requiredValue(at.priorityLevelConfiguration.name, 'must reference a priority level')]),
    ...validateFlowRules(spec.rules ?? [], at.rules),
    ...isMandatoryFlow(metadata.name, spec, at),
  ],
  validateStatusUpdate: ({ next }) =>
    validateFlowConditions(next.status?.conditions, root<{ type?: string }[]>('status.conditions')),
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
