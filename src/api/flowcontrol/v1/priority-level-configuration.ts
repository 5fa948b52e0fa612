/** PriorityLevelConfiguration: how many requests of a level run at once, and how others wait. Source: API reference, flowcontrol.apiserver.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn } from '#api/machinery/define-kind.ts';
import { forbiddenField, requiredValue } from '#api/machinery/field-error.ts';
import { isBetween, isNotNegative, mustBeOneOf } from '#api/machinery/field-rules.ts';

export type PriorityLevelConfiguration = schema.PriorityLevelConfiguration;

const SHARES = 30;
const QUEUES = { queues: 64, handSize: 8, queueLengthLimit: 50 };

export const PriorityLevelConfiguration = defineKind<schema.PriorityLevelConfiguration>({
  group: 'flowcontrol.apiserver.k8s.io',
  version: 'v1',
  kind: 'PriorityLevelConfiguration',
  plural: 'prioritylevelconfigurations',
  scope: 'Cluster',
  subresources: ['status'],
  statusKeeps: ['labels', 'annotations', 'finalizers', 'ownerReferences'],
  generationOf: ({ spec }) => spec,
  defaults: ({ spec = {}, ...level }) =>
    ({
      ...level,
      spec: {
        ...spec,
        ...(spec.exempt && {
          exempt: {
            nominalConcurrencyShares: spec.exempt.nominalConcurrencyShares ?? 0,
            lendablePercent: spec.exempt.lendablePercent ?? 0,
          },
        }),
        ...(spec.limited && { limited: defaultLimited(spec.limited) }),
      },
    }) as schema.PriorityLevelConfiguration,
  validate: ({ spec }, { spec: at }) => [
    ...mustBeOneOf(at.type, spec.type, ['Exempt', 'Limited']),
    ...(spec.type === 'Limited' && !spec.limited
      ? [requiredValue(at.limited, 'must not be empty when type is Limited')]
      : []),
    ...(spec.type === 'Limited' && spec.exempt
      ? [forbiddenField(at.exempt, 'must be nil if the type is not Exempt')]
      : []),
    ...(spec.type === 'Exempt' && spec.limited
      ? [forbiddenField(at.limited, 'must be nil if the type is not Limited')]
      : []),
    ...isNotNegative(at.limited.nominalConcurrencyShares, spec.limited?.nominalConcurrencyShares),
    ...isBetween(at.limited.lendablePercent, spec.limited?.lendablePercent, [0, 100]),
    ...(spec.limited
      ? mustBeOneOf(at.limited.limitResponse.type, spec.limited.limitResponse?.type, ['Queue', 'Reject'])
      : []),
  ],
  columns: [
    nameColumn(),
    column('Type', 'string', ({ spec }) => spec.type),
    column('NominalConcurrencyShares', 'string', ({ spec }) =>
      String((spec.limited ?? spec.exempt)?.nominalConcurrencyShares ?? '<none>'),
    ),
    column('Queues', 'string', ({ spec }) => String(spec.limited?.limitResponse.queuing?.queues ?? '<none>')),
    column('HandSize', 'string', ({ spec }) => String(spec.limited?.limitResponse.queuing?.handSize ?? '<none>')),
    column('QueueLengthLimit', 'string', ({ spec }) =>
      String(spec.limited?.limitResponse.queuing?.queueLengthLimit ?? '<none>'),
    ),
    ageColumn(),
  ],
  allowUnconditionalUpdate: false,
});

function defaultLimited(
  limited: schema.Submitted<schema.LimitedPriorityLevelConfiguration>,
): schema.Submitted<schema.LimitedPriorityLevelConfiguration> {
  const { limitResponse = {} } = limited;
  return {
    ...limited,
    nominalConcurrencyShares: limited.nominalConcurrencyShares ?? SHARES,
    lendablePercent: limited.lendablePercent ?? 0,
    limitResponse: {
      ...limitResponse,
      ...(limitResponse.queuing && {
        queuing: {
          queues: limitResponse.queuing.queues || QUEUES.queues,
          handSize: limitResponse.queuing.handSize || QUEUES.handSize,
          queueLengthLimit: limitResponse.queuing.queueLengthLimit || QUEUES.queueLengthLimit,
        },
      }),
    },
  };
}
