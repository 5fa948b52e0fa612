/** A running pod becomes nothing that its node has not declared to be able to do. Source: KEP-5328. */
import { Node } from '#api/core/v1/node.ts';
import { featuresOfUpdate } from '#api/core/v1/node-features.ts';
import type { Pod } from '#api/core/v1/pod.ts';
import { defineAdmission, refused } from './define-admission.ts';

export const nodeDeclaredFeatureValidator = defineAdmission<Pod>({
  name: 'NodeDeclaredFeatureValidator',
  on: {
    resources: [
      { group: '', plural: 'pods' },
      { group: '', plural: 'pods', subresource: 'resize' },
    ],
    verbs: ['update'],
  },
  reads: [Node],
  validate(request, { informers }) {
    const { object: pod, old } = request;
    if (!pod?.spec.nodeName || !old || old.metadata.generation === pod.metadata.generation) return;
    const needed = featuresOfUpdate(pod, old);
    if (needed.length === 0) return;
    const { nodeName } = pod.spec;
    const node = informers.for(Node).get(nodeName);
    if (!node) throw refused(request, `node ${JSON.stringify(nodeName)} not found`);
    const missing = needed.filter((feature) => !node.status?.declaredFeatures?.includes(feature));
    if (missing.length > 0)
      throw refused(
        request,
        `pod update requires features ${missing.join(', ')} which are not available on node ${JSON.stringify(nodeName)}`,
      );
  },
});
