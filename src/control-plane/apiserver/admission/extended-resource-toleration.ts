/** Pods that ask for a vendor's resource tolerate the taint of its name, which keeps others off such nodes. Off unless asked for. */
import type { Pod } from '#api/core/v1/pod.ts';
import { isExtendedResource } from '#api/core/v1/resource-names.ts';
import type { Toleration } from '#api/generated/schema.ts';
import { defineAdmission } from './define-admission.ts';

export const extendedResourceToleration = defineAdmission<Pod>({
  name: 'ExtendedResourceToleration',
  on: { resources: [{ group: '', plural: 'pods' }], verbs: ['create', 'update'] },
  mutate(pod) {
    const containers = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])];
    const asked = containers.flatMap(({ resources }) => Object.keys(resources?.requests ?? {}));
    const names = [...new Set(asked.filter(isExtendedResource))].sort();
    const present = pod.spec.tolerations ?? [];
    const missing = names
      .map((key): Toleration => ({ key, operator: 'Exists', effect: 'NoSchedule' }))
      .filter(({ key }) => !present.some((one) => isSuch(one, key!)));
    return missing.length > 0 ? { ...pod, spec: { ...pod.spec, tolerations: [...present, ...missing] } } : pod;
  },
});

const isSuch = ({ key, operator, effect, value }: Toleration, name: string): boolean =>
  key === name && operator === 'Exists' && effect === 'NoSchedule' && !value;
