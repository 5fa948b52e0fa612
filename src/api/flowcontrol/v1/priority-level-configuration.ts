/** PriorityLevelConfiguration: how many requests of a level run at once, and how others wait. Source: API reference, flowcontrol.apiserver.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn } from '#api/machinery/define-kind.ts';
import {
  type FieldError,
  forbiddenField,
  invalidValue,
  notSupportedValue,
  requiredValue,
} from '#api/machinery/field-error.ts';
import { type At, type Path, root } from '#api/machinery/field-path.ts';
import { isBetween } from '#api/machinery/field-rules.ts';
import { validateFlowConditions } from './flow-schema-rules.ts';
import { EXEMPT, isMandatoryLevel } from './mandatory-objects.ts';

export type PriorityLevelConfiguration = schema.PriorityLevelConfiguration;

const SHARES = 30;
const QUEUES = { queues: 64, handSize: 8, queueLengthLimit: 50 };
const MAX_QUEUES = 10_000_000;
/** A hand is dealt from as many bits of a flow's hash. */
const MAX_HASH_BITS = 60;

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
  validate: ({ metadata, spec }, { spec: at }) => [
    ...((metadata.name === EXEMPT) === (spec.type === 'Exempt')
      ? []
      : [invalidValue(at.type, spec.type ?? '', "must be 'Exempt' if and only if `name` is 'exempt'")]),
    ...validateLevel(spec, at),
    ...isMandatoryLevel(metadata.name, spec, at),
  ],
  validateStatusUpdate: ({ next }) =>
    validateFlowConditions(next.status?.conditions, root<{ type?: string }[]>('status.conditions')),
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

type Spec = schema.PriorityLevelConfigurationSpec;

function validateLevel({ type, limited, exempt }: Spec, at: At<Spec>): FieldError[] {
  if (type === 'Exempt')
    return [
      ...(limited ? [forbiddenField(at.limited, 'must be nil if the type is not Limited')] : []),
      ...isShare(at.exempt.nominalConcurrencyShares, exempt?.nominalConcurrencyShares),
      ...isBetween(at.exempt.lendablePercent, exempt?.lendablePercent, [0, 100]),
    ];
  if (type !== 'Limited') return [notSupportedValue(at.type, type ?? '', ['Exempt', 'Limited'])];
  const other = exempt ? [forbiddenField(at.exempt, 'must be nil if the type is Limited')] : [];
  if (!limited) return [...other, requiredValue(at.limited, 'must not be empty when type is Limited')];
  const borrowing = limited.borrowingLimitPercent;
  return [
    ...other,
    ...isShare(at.limited.nominalConcurrencyShares, limited.nominalConcurrencyShares),
    ...validateResponse(limited.limitResponse, at.limited.limitResponse),
    ...isBetween(at.limited.lendablePercent, limited.lendablePercent, [0, 100]),
    ...(borrowing !== undefined && borrowing < 0
      ? [invalidValue(at.limited.borrowingLimitPercent, borrowing, 'if specified, must be a non-negative integer')]
      : []),
  ];
}

const isShare = (at: Path, value: number | undefined): FieldError[] =>
  value !== undefined && value < 0 ? [invalidValue(at, value, 'must be a non-negative integer')] : [];

function validateResponse({ type, queuing }: schema.LimitResponse, at: At<schema.LimitResponse>): FieldError[] {
  if (type === 'Reject')
    return queuing ? [forbiddenField(at.queuing, 'must be nil if limited.limitResponse.type is not Limited')] : [];
  if (type !== 'Queue') return [notSupportedValue(at.type, type ?? '', ['Queue', 'Reject'])];
  if (!queuing) return [requiredValue(at.queuing, 'must not be empty if limited.limitResponse.type is Limited')];
  const { queues = 0, handSize = 0, queueLengthLimit = 0 } = queuing;
  return [
    ...isPositive(at.queuing.queueLengthLimit, queueLengthLimit),
    ...isPositive(at.queuing.queues, queues),
    ...(queues > MAX_QUEUES ? [invalidValue(at.queuing.queues, queues, `must not be greater than ${MAX_QUEUES}`)] : []),
    ...validateHand({ queues, handSize }, at.queuing.handSize),
  ];
}

const isPositive = (at: Path, value: number): FieldError[] =>
  value > 0 ? [] : [invalidValue(at, value, 'must be positive')];

function validateHand({ queues, handSize }: { queues: number; handSize: number }, at: Path): FieldError[] {
  if (handSize <= 0) return isPositive(at, handSize);
  if (handSize > queues) return [invalidValue(at, handSize, `should not be greater than queues (${queues})`)];
  if (Math.ceil(Math.log2(queues) * handSize) <= MAX_HASH_BITS) return [];
  const text = `required entropy bits of deckSize ${queues} and handSize ${handSize} should not be greater than ${MAX_HASH_BITS}`;
  return [invalidValue(at, handSize, text)];
}
