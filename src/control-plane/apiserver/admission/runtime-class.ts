/** A pod with a RuntimeClass takes over its overhead and goes only where the class runs. */
import type { Pod } from '#api/core/v1/pod.ts';
import type { Scheduling } from '#api/generated/schema.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { RuntimeClass } from '#api/node/v1/runtime-class.ts';
import { type Soon, soon } from '#base/soon.ts';
import { type AdmissionRequest, type AdmissionServices, defineAdmission, refused } from './define-admission.ts';

export const runtimeClass = defineAdmission<Pod>({
  name: 'RuntimeClass',
  on: { resources: [{ group: '', plural: 'pods' }], verbs: ['create'] },
  reads: [RuntimeClass],

  mutate(pod, request, services) {
    return soon(classOf(pod, request, services), (chosen) => {
      if (!chosen) return pod;
      return withScheduling(withOverhead(pod, chosen, request), chosen.scheduling, request);
    });
  },

  validate(request, services) {
    const { object: pod } = request;
    if (!pod?.spec.overhead) return;
    return soon(classOf(pod, request, services), (chosen) => {
      const overhead = chosen?.overhead?.podFixed;
      if (!overhead)
        throw refused(request, 'pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead');
      if (!isEqual(overhead, pod.spec.overhead))
        throw refused(request, "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead");
    });
  },
});

function classOf(
  { spec }: Pod,
  request: AdmissionRequest,
  { informers, live }: AdmissionServices,
): Soon<RuntimeClass | undefined> {
  const name = spec.runtimeClassName;
  if (!name) return undefined;
  return soon<RuntimeClass | undefined, RuntimeClass>(
    informers.for(RuntimeClass).get(name) ?? live(RuntimeClass, { name }),
    (found) => {
      if (!found) throw refused(request, `pod rejected: RuntimeClass ${JSON.stringify(name)} not found`);
      return found;
    },
  );
}

function withOverhead(pod: Pod, { overhead }: RuntimeClass, request: AdmissionRequest): Pod {
  if (!overhead?.podFixed) return pod;
  if (pod.spec.overhead && !isEqual(pod.spec.overhead, overhead.podFixed))
    throw refused(request, "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead");
  return { ...pod, spec: { ...pod.spec, overhead: overhead.podFixed } };
}

function withScheduling(pod: Pod, scheduling: Scheduling | undefined, request: AdmissionRequest): Pod {
  if (!scheduling) return pod;
  const { nodeSelector = {}, tolerations = [] } = pod.spec;
  for (const [key, value] of Object.entries(scheduling.nodeSelector ?? {})) {
    const own = Object.hasOwn(nodeSelector, key) ? nodeSelector[key] : value;
    if (own !== value)
      throw refused(
        request,
        `conflict: runtimeClass.scheduling.nodeSelector[${key}] = ${value}; pod.spec.nodeSelector[${key}] = ${own}`,
      );
  }
  const more = (scheduling.tolerations ?? []).filter((one) => !tolerations.some((own) => isEqual(own, one)));
  return {
    ...pod,
    spec: {
      ...pod.spec,
      ...(scheduling.nodeSelector && { nodeSelector: { ...nodeSelector, ...scheduling.nodeSelector } }),
      ...(more.length > 0 && { tolerations: [...tolerations, ...more] }),
    },
  };
}
