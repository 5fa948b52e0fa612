/** A pod gets the zone and region of its node as labels, so that the downward API can tell them. Source: KEP-4742. */
import { Node } from '#api/core/v1/node.ts';
import type { Pod } from '#api/core/v1/pod.ts';
import type { Binding } from '#api/generated/schema.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { type AdmissionServices, defineAdmission } from './define-admission.ts';

const LABELS = ['topology.kubernetes.io/zone', 'topology.kubernetes.io/region'];

/** A Binding carries them to its pod. */
export const podTopologyLabels = defineAdmission<KubeObject>({
  name: 'PodTopologyLabels',
  on: {
    resources: [
      { group: '', plural: 'pods' },
      { group: '', plural: 'pods', subresource: 'binding' },
    ],
    verbs: ['create', 'update'],
  },
  reads: [Node],
  mutate(object, { subresource }, services) {
    const node = subresource === 'binding' ? targetOf(object as Binding) : (object as Pod).spec.nodeName;
    const labels = node ? topologyOf(node, services) : {};
    if (Object.keys(labels).every((key) => object.metadata.labels?.[key] === labels[key])) return object;
    return { ...object, metadata: { ...object.metadata, labels: { ...object.metadata.labels, ...labels } } };
  },
});

const targetOf = ({ target }: Binding): string | undefined =>
  target?.kind === 'Node' || !target?.kind ? target?.name : undefined;

function topologyOf(name: string, { informers }: AdmissionServices): Record<string, string> {
  const labels = informers.for(Node).get(name)?.metadata.labels ?? {};
  return Object.fromEntries(LABELS.flatMap((key) => (labels[key] === undefined ? [] : [[key, labels[key]]])));
}
