/** Turns `spec.priorityClassName` into the number the scheduler compares. Refuses a class that does not exist. */
import type { Pod } from '#api/core/v1/pod.ts';
import { withParts } from '#api/machinery/object.ts';
import { PriorityClass } from '#api/scheduling/v1/priority-class.ts';
import { type Soon, soon } from '#base/soon.ts';
import { type AdmissionRequest, type AdmissionServices, defineAdmission, refused } from './define-admission.ts';

export const priority = defineAdmission<Pod>({
  name: 'Priority',
  on: { resources: [{ group: '', plural: 'pods' }], verbs: ['create', 'update'] },
  reads: [PriorityClass],

  mutate(pod, request, services) {
    if (request.verb === 'update') return keepComputed(pod, request.old);
    return soon(classOf(pod, request, services), (chosen) => computed(pod, request, chosen));
  },
});

function computed(pod: Pod, request: AdmissionRequest, chosen: PriorityClass | undefined): Pod {
  const { spec } = pod;
  const value = chosen?.value ?? 0;
  const preemptionPolicy = chosen?.preemptionPolicy ?? ('PreemptLowerPriority' as const);
  if (spec.priority !== undefined && spec.priority !== value)
    throw refused(
      request,
      `the integer value of priority (${spec.priority}) must not be provided in pod spec; priority admission controller computed ${value} from the given PriorityClass name`,
    );
  if (spec.preemptionPolicy !== undefined && spec.preemptionPolicy !== preemptionPolicy)
    throw refused(
      request,
      `the string value of PreemptionPolicy (${spec.preemptionPolicy}) must not be provided in pod spec; priority admission controller computed ${preemptionPolicy} from the given PriorityClass name`,
    );
  const named = chosen?.metadata.name ? { priorityClassName: chosen.metadata.name } : {};
  return withParts(pod, { spec: Object.assign({}, spec, named, { priority: value, preemptionPolicy }) });
}

/** At most one class may be the default for pods that name none. */
export const singleDefaultPriorityClass = defineAdmission<PriorityClass>({
  name: 'Priority',
  on: { resources: [{ group: 'scheduling.k8s.io', plural: 'priorityclasses' }], verbs: ['create', 'update'] },
  reads: [PriorityClass],

  validate(request, { informers }) {
    const { object } = request;
    if (!object?.globalDefault) return;
    const other = defaultOf(informers.for(PriorityClass).list());
    if (other && other.metadata.name !== object.metadata.name)
      throw refused(
        request,
        `PriorityClass ${other.metadata.name} is already marked as default. Only one default can exist`,
      );
  },
});

/** An update that leaves both out means what was computed. */
function keepComputed(pod: Pod, old: Pod | undefined): Pod {
  const { priority: value = old?.spec.priority, preemptionPolicy = old?.spec.preemptionPolicy } = pod.spec;
  if (value === pod.spec.priority && preemptionPolicy === pod.spec.preemptionPolicy) return pod;
  return {
    ...pod,
    spec: {
      ...pod.spec,
      ...(value !== undefined && { priority: value }),
      ...(preemptionPolicy && { preemptionPolicy }),
    },
  };
}

/** The one it names, or the default, if there is one. */
function classOf(
  { spec }: Pod,
  request: AdmissionRequest,
  { informers, live }: AdmissionServices,
): Soon<PriorityClass | undefined> {
  const classes = informers.for(PriorityClass);
  const name = spec.priorityClassName;
  if (!name) return defaultOf(classes.list());
  const found = classes.get(name) ?? live(PriorityClass, { name });
  return soon<PriorityClass | undefined, PriorityClass>(found, (chosen) => {
    if (!chosen) throw refused(request, `no PriorityClass with name ${name} was found`);
    return chosen;
  });
}

/** Of several defaults, made at the same time, the lowest counts. */
const defaultOf = (classes: readonly PriorityClass[]): PriorityClass | undefined =>
  classes.filter(({ globalDefault }) => globalDefault).sort((a, b) => (a.value ?? 0) - (b.value ?? 0))[0];
