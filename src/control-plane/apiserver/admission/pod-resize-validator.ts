/** A pod may not be resized to more than its node has in all, nor on a node that cannot resize. Source: KEP-1287. */
import { Node } from '#api/core/v1/node.ts';
import type { Pod } from '#api/core/v1/pod.ts';
import { podRequests } from '#api/core/v1/pod-resources.ts';
import { compareQuantities, quantityMilliValue, quantityValue } from '#api/machinery/quantity.ts';
import { StatusError } from '#api/machinery/status.ts';
import { type AdmissionRequest, defineAdmission, refused } from './define-admission.ts';

export const podResizeValidator = defineAdmission<Pod>({
  name: 'PodResizeValidator',
  on: { resources: [{ group: '', plural: 'pods', subresource: 'resize' }], verbs: ['update'] },
  reads: [Node],
  validate(request, { informers }) {
    const { object: pod, old } = request;
    if (!pod?.spec.nodeName || old?.metadata.generation === pod.metadata.generation) return;
    const node = informers.for(Node).get(pod.spec.nodeName);
    if (!node) throw refused(request, `node ${JSON.stringify(pod.spec.nodeName)} not found`);
    const os = node.metadata.labels?.['kubernetes.io/os'];
    if (os !== undefined && os !== 'linux') {
      const why = `pod resize is only supported on linux nodes, node ${JSON.stringify(node.metadata.name)} is ${JSON.stringify(os)}`;
      throw withCause(request, why, 'UnsupportedPlatform');
    }
    const missing = missingOn(node, pod);
    if (missing.length > 0)
      throw withCause(request, `node didn't have enough allocatable resources: ${missing.join('; ')}`, 'NodeCapacity');
  },
});

function missingOn({ status }: Node, { spec }: Pod): string[] {
  const requests = podRequests(spec);
  const told = { cpu: quantityMilliValue, memory: quantityValue };
  return (['cpu', 'memory'] as const).flatMap((name) => {
    const [asked, allocatable = '0'] = [requests[name], status?.allocatable?.[name]];
    if (asked === undefined || compareQuantities(asked, allocatable) <= 0) return [];
    return [`${name}, requested: ${told[name](asked)}, allocatable: ${told[name](allocatable)}`];
  });
}

function withCause(request: AdmissionRequest, why: string, reason: string): StatusError {
  const { message, details } = refused(request, why);
  return new StatusError('Forbidden', message, {
    details: { ...details, causes: [{ reason, message: '', field: '' }] },
  });
}
