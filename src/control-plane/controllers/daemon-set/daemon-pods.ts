/** The pods of a DaemonSet: which nodes they belong on, and how one is made for a node. Source: "DaemonSet". */
import { wantsNode } from '#api/core/v1/node-affinity.ts';
import { evicts, untolerated } from '#api/core/v1/taint.ts';
import type { DaemonSet, Node, Pod, PodSpec, Toleration } from '#api/generated/schema.ts';
import type { Draft } from '#client/client.ts';
import { hashLabelOf, REVISION_HASH } from '../controller-revisions.ts';
import { podFromTemplate } from '../replica-set-pods.ts';

/** Before there were revisions; `kubectl` does not look at it, older tools do. */
const GENERATION_LABEL = 'pod-template-generation';
const GENERATION = 'deprecated.daemonset.template.generation';

const onTaint = (key: string, effect: 'NoExecute' | 'NoSchedule'): Toleration => ({ key, operator: 'Exists', effect });

/** A daemon serves its node also when the node is not well. */
const TOLERATIONS: readonly Toleration[] = [
  onTaint('node.kubernetes.io/not-ready', 'NoExecute'),
  onTaint('node.kubernetes.io/unreachable', 'NoExecute'),
  onTaint('node.kubernetes.io/disk-pressure', 'NoSchedule'),
  onTaint('node.kubernetes.io/memory-pressure', 'NoSchedule'),
  onTaint('node.kubernetes.io/pid-pressure', 'NoSchedule'),
  onTaint('node.kubernetes.io/unschedulable', 'NoSchedule'),
];
const HOST_NETWORK_TOLERATION = onTaint('node.kubernetes.io/network-unavailable', 'NoSchedule');

/** What a daemon tolerates for ever takes the place of what its template tolerates for a time. */
function tolerationsOf({ tolerations = [], hostNetwork }: PodSpec): Toleration[] {
  const own = [...TOLERATIONS, ...(hostNetwork ? [HOST_NETWORK_TOLERATION] : [])];
  const like = (toleration: Toleration) => (other: Toleration) =>
    other.key === toleration.key &&
    other.effect === toleration.effect &&
    other.operator === toleration.operator &&
    (other.value ?? '') === (toleration.value ?? '');
  const kept = tolerations.map((each) => own.find(like(each)) ?? each);
  return [...kept, ...own.filter((each) => !kept.some(like(each)))];
}

export interface Fit {
  shouldRun: boolean;
  /** One that is there may stay, though a new one would not come. */
  shouldStay: boolean;
}

/** How the pods of a DaemonSet fit a node. */
export function fitter({ spec: { template } }: DaemonSet): (node: Node) => Fit {
  const { spec } = template;
  const tolerations = tolerationsOf(spec);
  return (node) => {
    if ((spec.nodeName && spec.nodeName !== node.metadata.name) || !wantsNode(spec, node))
      return { shouldRun: false, shouldStay: false };
    const taints = node.spec.taints ?? [];
    return {
      shouldRun: untolerated(taints, tolerations).length === 0,
      shouldStay: untolerated(taints, tolerations, evicts).length === 0,
    };
  };
}

/** On which node it is, or is meant to be: the scheduler may not have come to it yet. */
export function nodeOf({ spec }: Pod): string {
  if (spec.nodeName) return spec.nodeName;
  const required = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  for (const { matchFields = [] } of required?.nodeSelectorTerms ?? [])
    for (const { key, values } of matchFields) if (key === 'metadata.name') return values?.[0] ?? '';
  return '';
}

const generationOf = ({ metadata }: DaemonSet): string | undefined => metadata.annotations?.[GENERATION];

/** Whether it was made from the present template. */
export const isUpdated = (pod: Pod, set: DaemonSet, hash: string): boolean =>
  hashLabelOf(pod) === hash ||
  (generationOf(set) !== undefined && pod.metadata.labels?.[GENERATION_LABEL] === generationOf(set));

export function podFor(set: DaemonSet, { node, hash }: { node: string; hash: string }): Draft<Pod> {
  const { metadata, spec } = podFromTemplate(set);
  const generation = generationOf(set);
  const onlyThere = { matchFields: [{ key: 'metadata.name', operator: 'In' as const, values: [node] }] };
  return {
    metadata: {
      ...metadata,
      labels: { ...metadata.labels, [REVISION_HASH]: hash, ...(generation && { [GENERATION_LABEL]: generation }) },
    },
    spec: {
      ...spec,
      tolerations: tolerationsOf(spec),
      affinity: {
        ...spec.affinity,
        nodeAffinity: {
          ...spec.affinity?.nodeAffinity,
          requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [onlyThere] },
        },
      },
    },
  };
}
