/** Pod: containers that live and die together on one node. Source: API reference, core/v1. Its parts are in `pod/`. */
import type * as schema from '#api/generated/schema.ts';
import { defineKind } from '#api/machinery/define-kind.ts';
import type { FieldError } from '#api/machinery/field-error.ts';
import { root } from '#api/machinery/field-path.ts';
import { dns1123Label } from '#api/machinery/names.ts';
import { withParts } from '#api/machinery/object.ts';
import { findingOnce } from '#api/machinery/shared-parts.ts';
import { podColumns } from './pod/columns.ts';
import { withoutDisabledFields } from './pod/disabled-fields.ts';
import { withLabelKeys } from './pod/label-keys.ts';
import { defaultPod, defaultPodSpec } from './pod/spec.ts';
import { validateOnCreate, validateOnlyForPod, validatePodSpec } from './pod/spec-rules.ts';
import { preparePodStatus } from './pod/status-rules.ts';
import { validatePodStatusUpdate, validatePodUpdate } from './pod/update-rules.ts';
import { warningsOfPod } from './pod/warnings.ts';
import { isTerminal } from './pod-conditions.ts';
import { qosClassOf } from './pod-qos.ts';

export type Pod = schema.Pod;

const OPTIONS = { group: '', version: 'v1' };

const { spec: AT } = root<schema.Pod>();

const validateSpec = (spec: schema.PodSpec, metadata?: schema.Pod['metadata']): FieldError[] => [
  ...validatePodSpec(spec, AT, metadata),
  ...validateOnlyForPod(spec, AT),
  ...validateOnCreate(spec, AT),
];

/** The specification of a template is looked at once, and not for each of its pods. */
const withDefaults = findingOnce((spec: schema.Submitted<schema.PodSpec>) => defaultPod(defaultPodSpec(spec)));
const withEnabledFields = findingOnce(withoutDisabledFields);
const qosClassOfSpec = findingOnce((spec: schema.PodSpec) => qosClassOf({ spec }));
const validateUnnamed = findingOnce((spec: schema.PodSpec) => validateSpec(spec));
const warningsOfSpec = findingOnce((spec: schema.PodSpec) => warningsOfPod({ spec }));

/** Claims that are made for a pod have its name in theirs. */
const dependsOnName = ({ volumes = [] }: schema.PodSpec): boolean => volumes.some(({ ephemeral }) => ephemeral);

export const Pod = defineKind<schema.Pod>({
  group: '',
  version: 'v1',
  kind: 'Pod',
  plural: 'pods',
  scope: 'Namespaced',
  shortNames: ['po'],
  categories: ['all'],
  subresources: [
    { name: 'attach', serves: { ...OPTIONS, kind: 'PodAttachOptions' }, verbs: ['create', 'get'] },
    { name: 'binding', serves: { ...OPTIONS, kind: 'Binding' }, verbs: ['create'] },
    { name: 'ephemeralcontainers', verbs: ['get', 'patch', 'update'] },
    { name: 'eviction', serves: { group: 'policy', version: 'v1', kind: 'Eviction' }, verbs: ['create'] },
    { name: 'exec', serves: { ...OPTIONS, kind: 'PodExecOptions' }, verbs: ['create', 'get'] },
    { name: 'log', verbs: ['get'] },
    { name: 'portforward', serves: { ...OPTIONS, kind: 'PodPortForwardOptions' }, verbs: ['create', 'get'] },
    {
      name: 'proxy',
      serves: { ...OPTIONS, kind: 'PodProxyOptions' },
      verbs: ['create', 'delete', 'get', 'patch', 'update'],
    },
    { name: 'resize', verbs: ['get', 'patch', 'update'] },
    'status',
  ],
  generationOf: ({ spec }) => spec,
  statusKeeps: ['ownerReferences'],

  defaults: (given) => {
    const pod = given as schema.Pod;
    const spec = withDefaults(given.spec ?? {});
    return spec === pod.spec ? pod : withParts(pod, { spec });
  },
  prepareForCreate: (given) => {
    const spec = withLabelKeys(withEnabledFields(given.spec), given.metadata.labels);
    const pod = withParts(given, { spec });
    return withParts(pod, { status: initialStatus(pod) });
  },
  prepareForUpdate: (next, current, subresource) => {
    if (subresource === 'ephemeralcontainers') return withSpec(current, next, ephemeralContainersOf);
    if (subresource === 'resize') return withSpec(current, next, resourcesOf);
    const spec = withoutDisabledFields(next.spec);
    return spec === next.spec ? next : { ...next, spec };
  },
  prepareForStatusUpdate: preparePodStatus,

  validate: ({ spec, metadata }) => (dependsOnName(spec) ? validateSpec(spec, metadata) : validateUnnamed(spec)),
  updateHasOwnRules: true,
  validateUpdate: validatePodUpdate,
  validateStatusUpdate: validatePodStatusUpdate,
  // An update warns of nothing: those are written often, and by components.
  warnings: (pod, current) => (current ? [] : [...warningsOfPodName(pod), ...warningsOfNewPod(pod)]),

  columns: podColumns,
  selectableFields: {
    'spec.nodeName': ({ spec }) => spec.nodeName ?? '',
    // As clients older than v1 itself name it; upstream still takes it.
    'spec.host': ({ spec }) => spec.nodeName ?? '',
    'spec.restartPolicy': ({ spec }) => spec.restartPolicy,
    'spec.schedulerName': ({ spec }) => spec.schedulerName,
    'spec.serviceAccountName': ({ spec }) => spec.serviceAccountName ?? '',
    'spec.hostNetwork': ({ spec }) => String(spec.hostNetwork ?? false),
    'status.phase': ({ status }) => status?.phase ?? '',
    'status.podIP': ({ status }) => status?.podIPs?.[0]?.ip ?? status?.podIP ?? '',
    'status.podIPs': ({ status }) => status?.podIPs?.[0]?.ip ?? status?.podIP ?? '',
    'status.nominatedNodeName': ({ status }) => status?.nominatedNodeName ?? '',
  },
  gracefulDeletion: {
    defaultSeconds: ({ spec }) => spec.terminationGracePeriodSeconds ?? 30,
    goesAtOnce: (pod) => !pod.spec.nodeName || isTerminal(pod),
  },
});

const warningsOfNewPod = (pod: schema.Pod): readonly string[] =>
  pod.metadata.annotations ? warningsOfPod(pod) : warningsOfSpec(pod.spec);

/** A pod is its own host, so its name should be one that a host can have. */
function warningsOfPodName({ metadata: { name } }: schema.Pod): string[] {
  const complaints = name ? dns1123Label(name) : [];
  const text = "this is used in the Pod's hostname, which can result in surprising behavior";
  return complaints.length > 0 ? [`metadata.name: ${text}; a DNS label is recommended: [${complaints.join(' ')}]`] : [];
}

function initialStatus(pod: schema.Pod): schema.PodStatus {
  const gated = (pod.spec.schedulingGates ?? []).length > 0;
  const conditions: schema.PodCondition[] = [
    {
      type: 'PodScheduled',
      status: 'False',
      reason: 'SchedulingGated',
      message: 'Scheduling is blocked due to non-empty scheduling gates',
    },
  ];
  return { phase: 'Pending', ...(gated && { conditions }), qosClass: qosClassOfSpec(pod.spec) };
}

const withSpec = (
  current: schema.Pod,
  next: schema.Pod,
  change: (current: schema.PodSpec, next: schema.PodSpec) => schema.PodSpec,
): schema.Pod => ({
  ...current,
  metadata: { ...current.metadata, resourceVersion: next.metadata.resourceVersion },
  spec: change(current.spec, next.spec),
});

const ephemeralContainersOf = (current: schema.PodSpec, next: schema.PodSpec): schema.PodSpec => ({
  ...current,
  ...(next.ephemeralContainers && { ephemeralContainers: next.ephemeralContainers }),
});

/** Of the containers that are there, only what they may use. */
const resourcesOf = (current: schema.PodSpec, next: schema.PodSpec): schema.PodSpec => {
  const resized = (now: schema.Container[], wanted: schema.Container[]) =>
    now.map((container) => {
      const change = wanted.find(({ name }) => name === container.name);
      if (!change) return container;
      const { resizePolicy, resources } = change;
      return { ...container, ...(resources && { resources }), ...(resizePolicy && { resizePolicy }) };
    });
  return {
    ...current,
    containers: resized(current.containers, next.containers),
    ...(current.initContainers && { initContainers: resized(current.initContainers, next.initContainers ?? []) }),
    ...(next.resources && { resources: next.resources }),
  };
};
