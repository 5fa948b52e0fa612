/** CSIDriver: what the cluster must know of a storage driver. Source: API reference, storage.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn } from '#api/machinery/define-kind.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { duplicateValue, type FieldError, invalidValue } from '#api/machinery/field-error.ts';
import type { At, Path } from '#api/machinery/field-path.ts';
import { isImmutable, isOneOf } from '#api/machinery/field-rules.ts';
import { repeatedIn } from '#api/machinery/repeated.ts';

export type CSIDriver = schema.CSIDriver;

export const CSIDriver = defineKind<schema.CSIDriver>({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'CSIDriver',
  plural: 'csidrivers',
  scope: 'Cluster',
  generationOf: ({ spec }) => spec,
  defaults: ({ spec = {}, ...driver }) =>
    ({
      ...driver,
      spec: {
        ...spec,
        attachRequired: spec.attachRequired ?? true,
        podInfoOnMount: spec.podInfoOnMount ?? false,
        storageCapacity: spec.storageCapacity ?? false,
        fsGroupPolicy: spec.fsGroupPolicy ?? 'ReadWriteOnceWithFSType',
        volumeLifecycleModes: spec.volumeLifecycleModes?.length ? spec.volumeLifecycleModes : ['Persistent'],
        requiresRepublish: spec.requiresRepublish ?? false,
        seLinuxMount: spec.seLinuxMount ?? false,
      },
    }) as schema.CSIDriver,
  validate: ({ spec }, { spec: at }) => [
    ...isOneOf(at.fsGroupPolicy, spec.fsGroupPolicy, ['File', 'None', 'ReadWriteOnceWithFSType']),
    ...validateTokenRequests(spec.tokenRequests ?? [], at.tokenRequests),
    ...spec.volumeLifecycleModes.flatMap((mode) => isOneOf(at.volumeLifecycleModes, mode, ['Persistent', 'Ephemeral'])),
    ...validatePeriod(spec.nodeAllocatableUpdatePeriodSeconds, at.nodeAllocatableUpdatePeriodSeconds),
    ...(spec.serviceAccountTokenInSecrets !== undefined && !spec.tokenRequests?.length
      ? [
          invalidValue(
            at.serviceAccountTokenInSecrets,
            spec.serviceAccountTokenInSecrets,
            'serviceAccountTokenInSecrets is set but no tokenRequests are specified',
          ),
        ]
      : []),
  ],
  validateUpdate: ({ next, current, at: { spec: at } }) => [
    // Upstream's name for it.
    ...isImmutable(
      (at as unknown as At<{ attachedRequired: boolean }>).attachedRequired,
      next.spec.attachRequired,
      current.spec.attachRequired,
    ),
    ...isImmutable(at.volumeLifecycleModes, next.spec.volumeLifecycleModes, current.spec.volumeLifecycleModes),
  ],
  warnings: ({ spec }, current) =>
    spec.tokenRequests?.length &&
    spec.serviceAccountTokenInSecrets === undefined &&
    !isEqual(spec.tokenRequests, current?.spec.tokenRequests)
      ? [TOKENS_IN_CONTEXT]
      : [],
  columns: [
    nameColumn(),
    column('AttachRequired', 'boolean', ({ spec }) => spec.attachRequired),
    column('PodInfoOnMount', 'boolean', ({ spec }) => spec.podInfoOnMount),
    column('StorageCapacity', 'boolean', ({ spec }) => spec.storageCapacity),
    column(
      'TokenRequests',
      'string',
      ({ spec }) => spec.tokenRequests?.map(({ audience }) => audience).join(',') ?? '<unset>',
    ),
    column('RequiresRepublish', 'boolean', ({ spec }) => spec.requiresRepublish),
    column('Modes', 'string', ({ spec }) => spec.volumeLifecycleModes.join(',') || '<none>'),
    ageColumn(),
  ],
  allowUnconditionalUpdate: false,
});

const TOKENS_IN_CONTEXT =
  'spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent possible logging of tokens in volume attributes';
const MIN_TOKEN_SECONDS = 10 * 60;
const MAX_TOKEN_SECONDS = 2 ** 32;
const MIN_PERIOD_SECONDS = 10;

type TokenRequests = NonNullable<schema.CSIDriver['spec']['tokenRequests']>;

function validateTokenRequests(requests: TokenRequests, at: At<TokenRequests>): FieldError[] {
  const repeated = repeatedIn(requests.map(({ audience = '' }) => audience));
  return requests.flatMap(({ audience = '', expirationSeconds: seconds }, i) => {
    const here = at[i]!;
    if (repeated.has(i)) return [duplicateValue(here.audience, audience)];
    const refuse = (text: string) => [invalidValue(here.expirationSeconds, seconds, text)];
    if (seconds !== undefined && seconds < MIN_TOKEN_SECONDS)
      return refuse('may not specify a duration less than 10 minutes');
    return seconds !== undefined && seconds > MAX_TOKEN_SECONDS
      ? refuse('may not specify a duration larger than 2^32 seconds')
      : [];
  });
}

const validatePeriod = (seconds: number | undefined, at: Path): FieldError[] =>
  seconds !== undefined && seconds < MIN_PERIOD_SECONDS
    ? [invalidValue(at, seconds, 'must be greater than or equal to 10 seconds')]
    : [];
