/** Pods may keep others away from their node, not from a whole zone. Off unless asked for. */
import type { Pod } from '#api/core/v1/pod.ts';
import { defineAdmission, refused } from './define-admission.ts';

const HOSTNAME = 'kubernetes.io/hostname';

export const limitPodHardAntiAffinityTopology = defineAdmission<Pod>({
  name: 'LimitPodHardAntiAffinityTopology',
  on: { resources: [{ group: '', plural: 'pods' }], verbs: ['create', 'update'] },
  validate(request) {
    const terms = request.object?.spec.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
    const wide = terms.find(({ topologyKey }) => topologyKey !== HOSTNAME);
    if (wide)
      throw refused(
        request,
        `affinity.PodAntiAffinity.RequiredDuringScheduling has TopologyKey ${wide.topologyKey} but only key ${HOSTNAME} is allowed`,
      );
  },
});
