/** StatefulSet: pods with names, an order and storage of their own. Source: API reference, apps/v1. */

import { defaultClaimSpec, validateClaimSpec, warningsOfClaimSpec } from '#api/core/v1/persistent-volume-claim.ts';
import {
  defaultPodTemplate,
  isSpecifiedAs,
  templateColumns,
  validateKeptTemplate,
  validateOwnSelector,
  warningsOfTemplate,
} from '#api/core/v1/pod-template.ts';
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn } from '#api/machinery/define-kind.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { type FieldError, forbiddenField, invalidValue, requiredValue } from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import {
  follows,
  isCountOrPercent,
  isNotAbove100Percent,
  isNotDecremented,
  isNotNegative,
  isOneOf,
} from '#api/machinery/field-rules.ts';
import { countOf } from '#api/machinery/int-or-percent.ts';
import { formatSelector, selectorFrom } from '#api/machinery/label-selector.ts';
import { dns1123Label } from '#api/machinery/names.ts';

export type StatefulSet = schema.StatefulSet;

/** What an update may touch. */
const CHANGEABLE = [
  'replicas',
  'ordinals',
  'template',
  'updateStrategy',
  'revisionHistoryLimit',
  'persistentVolumeClaimRetentionPolicy',
  'minReadySeconds',
] as const;

export const StatefulSet = defineKind<schema.StatefulSet>({
  group: 'apps',
  version: 'v1',
  kind: 'StatefulSet',
  plural: 'statefulsets',
  scope: 'Namespaced',
  shortNames: ['sts'],
  categories: ['all'],
  subresources: ['scale', 'status'],
  name: dns1123Label,
  generationOf: ({ spec }) => spec,
  initialStatus: { replicas: 0, availableReplicas: 0 },
  defaults: (set) => ({ ...(set as schema.StatefulSet), spec: defaultSpec(set.spec ?? {}) }),
  validate: ({ spec }, at) => [
    ...validateSpec(spec, at.spec, {}),
    ...(spec.volumeClaimTemplates ?? []).flatMap((claim, i) =>
      validateClaimSpec(claim.spec, at.spec.volumeClaimTemplates[i]!.spec),
    ),
    ...(spec.serviceName ? follows(at.spec.serviceName, spec.serviceName, dns1123Label) : []),
  ],
  updateHasOwnRules: true,
  validateUpdate: ({ next, current, at }) => {
    const fixed = (spec: schema.StatefulSetSpec) =>
      Object.fromEntries(
        Object.entries(spec).filter(([field]) => !CHANGEABLE.includes(field as (typeof CHANGEABLE)[number])),
      );
    const text =
      "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
    const knownPod = validateSpec(current.spec, at.spec, {}).length > 0;
    return [
      ...validateSpec(next.spec, at.spec, { knownPod }),
      ...(isEqual(fixed(next.spec), fixed(current.spec)) ? [] : [forbiddenField(at.spec, text)]),
    ];
  },
  validateStatusUpdate: ({ next, current, at }) => [
    ...(next.status ? validateCounts(next.status, at.status) : []),
    ...isNotDecremented(at.status.collisionCount, next.status?.collisionCount, current.status?.collisionCount),
  ],
  warnings: (object, current) => [
    ...(isSpecifiedAs(object, current) ? [] : warningsOfSpec(object.spec)),
    ...(object.spec.revisionHistoryLimit < 0
      ? ['spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended']
      : []),
  ],
  columns: [
    nameColumn(),
    column('Ready', 'string', ({ spec, status }) => `${status?.readyReplicas ?? 0}/${spec.replicas}`),
    ageColumn(),
    ...templateColumns<schema.StatefulSet>(({ spec }) => spec.template),
  ],
  scale: {
    replicas: '.spec.replicas',
    statusReplicas: '.status.replicas',
    selector: ({ spec }) => formatSelector(selectorFrom(spec.selector)),
  },
});

const warningsOfSpec = ({ template, volumeClaimTemplates = [] }: schema.StatefulSetSpec): string[] => [
  ...warningsOfTemplate(template),
  ...volumeClaimTemplates.flatMap((claim, i) => warningsOfClaimSpec(claim.spec, `spec.volumeClaimTemplates[${i}]`)),
];

function defaultSpec(spec: schema.Submitted<schema.StatefulSetSpec>): schema.StatefulSetSpec {
  const retention = spec.persistentVolumeClaimRetentionPolicy ?? {};
  return {
    ...spec,
    replicas: spec.replicas ?? 1,
    template: defaultPodTemplate(spec.template),
    podManagementPolicy: spec.podManagementPolicy || 'OrderedReady',
    updateStrategy: defaultStrategy(spec.updateStrategy),
    revisionHistoryLimit: spec.revisionHistoryLimit ?? 10,
    persistentVolumeClaimRetentionPolicy: {
      whenDeleted: retention.whenDeleted || 'Retain',
      whenScaled: retention.whenScaled || 'Retain',
    },
    ...(spec.volumeClaimTemplates && {
      volumeClaimTemplates: spec.volumeClaimTemplates.map((claim) => ({
        ...claim,
        apiVersion: 'v1',
        kind: 'PersistentVolumeClaim',
        spec: defaultClaimSpec(claim.spec),
        status: { phase: 'Pending', ...claim.status },
      })),
    }),
  } as schema.StatefulSetSpec;
}

const shownInGo = (rolling: schema.RollingUpdateStatefulSetStrategy | undefined) =>
  rolling ? { Partition: rolling.partition ?? 0, MaxUnavailable: rolling.maxUnavailable ?? null } : null;

/** How many pods may be down at once is kept and heeded, though upstream has it behind a gate that v1.36 has off. */
function defaultStrategy(given: schema.Submitted<schema.StatefulSetUpdateStrategy> = {}) {
  const rollingUpdate = given.type ? given.rollingUpdate : (given.rollingUpdate ?? {});
  const type = given.type || 'RollingUpdate';
  if (!rollingUpdate) return { type };
  const { partition } = rollingUpdate;
  return {
    type,
    rollingUpdate: { ...rollingUpdate, partition: partition ?? (type === 'RollingUpdate' ? 0 : undefined) },
  };
}

/** All but what an update may no longer touch: the name of the service, and the templates of claims. */
function validateSpec(
  spec: schema.StatefulSetSpec,
  at: At<schema.StatefulSetSpec>,
  { knownPod = false }: { knownPod?: boolean },
): FieldError[] {
  const { podManagementPolicy: policy } = spec;
  return [
    ...(policy === 'OrderedReady' || policy === 'Parallel'
      ? []
      : [invalidValue(at.podManagementPolicy, policy, "must be 'OrderedReady' or 'Parallel'")]),
    ...validateStrategy(spec.updateStrategy, at.updateStrategy),
    ...(['whenDeleted', 'whenScaled'] as const).flatMap((when) =>
      isOneOf(
        at.persistentVolumeClaimRetentionPolicy[when],
        spec.persistentVolumeClaimRetentionPolicy?.[when],
        RETENTION,
      ),
    ),
    ...isNotNegative(at.replicas, spec.replicas),
    ...isNotNegative(at.minReadySeconds, spec.minReadySeconds),
    ...isNotNegative(at.ordinals.start, spec.ordinals?.start),
    ...validateOwnSelector(spec.selector, at.selector, 'statefulset'),
    ...validateKeptTemplate({ template: asMade(spec), selector: spec.selector, keptBy: 'StatefulSet', knownPod }, at),
  ];
}

const RETENTION = ['Retain', 'Delete'];

/** The template with what the controller will put into each pod: its names, and the volumes of the claims. */
function asMade({ template, volumeClaimTemplates = [] }: schema.StatefulSetSpec): schema.PodTemplateSpec {
  const claimed = volumeClaimTemplates.map(({ metadata }) => {
    const name = metadata?.name ?? '';
    return { name, persistentVolumeClaim: { claimName: name } };
  });
  const own = (template.spec.volumes ?? []).filter(({ name }) => !claimed.some((claim) => claim.name === name));
  const { hostname: _, subdomain: __, ...spec } = template.spec;
  return {
    ...template,
    spec: { ...spec, ...((claimed.length > 0 || own.length > 0) && { volumes: [...claimed, ...own] }) },
  };
}

function validateStrategy(
  { type, rollingUpdate }: schema.StatefulSetUpdateStrategy,
  at: At<schema.StatefulSetUpdateStrategy>,
): FieldError[] {
  if (!type) return [requiredValue(at)];
  if (type === 'OnDelete')
    return rollingUpdate
      ? [invalidValue(at.rollingUpdate, rollingUpdate, "only allowed for updateStrategy 'RollingUpdate'")]
      : [];
  if (type !== 'RollingUpdate')
    return [
      invalidValue(
        at,
        { Type: type, RollingUpdate: shownInGo(rollingUpdate) },
        "must be 'RollingUpdate' or 'OnDelete'",
      ),
    ];
  const { maxUnavailable } = rollingUpdate ?? {};
  const path = at.rollingUpdate.maxUnavailable;
  return [
    ...isNotNegative(at.rollingUpdate.partition, rollingUpdate?.partition),
    ...(maxUnavailable === undefined
      ? []
      : [
          ...isCountOrPercent(path, maxUnavailable),
          ...isNotAbove100Percent(path, maxUnavailable),
          ...(countOf(maxUnavailable, 100, 'up') === 0 ? [invalidValue(path, maxUnavailable, 'cannot be 0')] : []),
        ]),
  ];
}

function validateCounts(status: schema.StatefulSetStatus, at: At<schema.StatefulSetStatus>): FieldError[] {
  const { replicas = 0, readyReplicas = 0, availableReplicas = 0, currentReplicas = 0, updatedReplicas = 0 } = status;
  const counts = { readyReplicas, availableReplicas, currentReplicas, updatedReplicas };
  const parts = ['readyReplicas', 'currentReplicas', 'updatedReplicas', 'availableReplicas'] as const;
  return [
    ...(['replicas', ...parts, 'observedGeneration', 'collisionCount'] as const).flatMap((count) =>
      isNotNegative(at[count], status[count]),
    ),
    ...parts.flatMap((part) =>
      counts[part] > replicas ? [invalidValue(at[part], counts[part], 'cannot be greater than status.replicas')] : [],
    ),
    ...(availableReplicas > readyReplicas
      ? [invalidValue(at.availableReplicas, availableReplicas, 'cannot be greater than status.readyReplicas')]
      : []),
  ];
}
