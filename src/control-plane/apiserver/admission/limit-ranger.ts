/**
 * LimitRanges of a namespace: what a container asks for when it does not say, and between which bounds containers, pods
 * and volume claims must stay. Source: documentation, "Limit Ranges".
 */
import { LimitRange } from '#api/core/v1/limit-range.ts';
import type { PersistentVolumeClaim } from '#api/core/v1/persistent-volume-claim.ts';
import type { Pod } from '#api/core/v1/pod.ts';
import { podLimits, podRequests } from '#api/core/v1/pod-resources.ts';
import type { Container, LimitRangeItem } from '#api/generated/schema.ts';
import { type AdmissionRequest, type AdmissionServices, defineAdmission, refused } from './define-admission.ts';
import { type Amounts, boundViolations, claimViolations } from './limit-range-bounds.ts';

const ANNOTATION = 'kubernetes.io/limit-ranger';

export const limitRanger = defineAdmission<Pod>({
  name: 'LimitRanger',
  // The containers of a pod that is there cannot change, but for a resize.
  on: { resources: [{ group: '', plural: 'pods' }], verbs: ['create'] },
  reads: [LimitRange],

  mutate(pod, request, services) {
    return limitsIn(request, services).reduce(withDefaults, pod);
  },

  validate(request, services) {
    const { object: pod } = request;
    if (pod)
      refuseIfAny(
        request,
        limitsIn(request, services).flatMap((one) => podViolations(pod, one)),
      );
  },
});

export const limitRangerOnResize = defineAdmission<Pod>({
  name: 'LimitRanger',
  on: { resources: [{ group: '', plural: 'pods', subresource: 'resize' }], verbs: ['update'] },
  reads: [LimitRange],

  validate(request, services) {
    const { object: pod } = request;
    if (pod)
      refuseIfAny(
        request,
        limitsIn(request, services).flatMap((one) => podViolations(pod, one)),
      );
  },
});

export const limitRangerOnClaims = defineAdmission<PersistentVolumeClaim>({
  name: 'LimitRanger',
  on: { resources: [{ group: '', plural: 'persistentvolumeclaims' }], verbs: ['create', 'update'] },
  reads: [LimitRange],

  validate(request, services) {
    const { object: claim } = request;
    if (!claim || claim.metadata.deletionTimestamp) return;
    const requests = claim.spec.resources?.requests ?? {};
    const items = limitsIn(request, services).flat();
    const bounds = items.filter(({ type }) => type === 'PersistentVolumeClaim');
    refuseIfAny(
      request,
      bounds.flatMap((item) => claimViolations(item, requests)),
    );
  },
});

/** The items of each LimitRange, in the order of their names. */
const limitsIn = ({ namespace }: AdmissionRequest, { informers }: AdmissionServices): LimitRangeItem[][] =>
  informers
    .for(LimitRange)
    .inNamespace(namespace)
    .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
    .map(({ spec }) => [...(spec?.limits ?? [])]);

function refuseIfAny(request: AdmissionRequest, violations: readonly string[]): void {
  if (violations.length === 1) throw refused(request, violations[0] ?? '');
  if (violations.length > 1) throw refused(request, `[${violations.join(', ')}]`);
}

function podViolations(pod: Pod, items: readonly LimitRangeItem[]): string[] {
  const { spec } = pod;
  return items.flatMap((item) => {
    if (item.type === 'Pod') return boundViolations(item, { requests: podRequests(spec), limits: podLimits(spec) });
    if (item.type !== 'Container') return [];
    return [...spec.containers, ...(spec.initContainers ?? [])].flatMap(({ resources }) =>
      boundViolations(item, { requests: resources?.requests ?? {}, limits: resources?.limits ?? {} }),
    );
  });
}

/** Fills in what containers do not say, and notes that in an annotation, as upstream does. */
function withDefaults(pod: Pod, items: readonly LimitRangeItem[]): Pod {
  const ofContainers = items.filter(({ type }) => type === 'Container');
  const requests: Amounts = Object.assign({}, ...ofContainers.map(({ defaultRequest }) => defaultRequest));
  const limits: Amounts = Object.assign({}, ...ofContainers.map((item) => item.default));
  const notes: string[] = [];
  const filled = (container: Container, what: string): Container => {
    const { resources = {} } = container;
    const missingRequests = missing(requests, resources.requests);
    const missingLimits = missing(limits, resources.limits);
    const note = (amounts: Amounts, which: string) => {
      const names = Object.keys(amounts).sort();
      if (names.length > 0) notes.push(`${names.join(', ')} ${which} for ${what} ${container.name}`);
    };
    note(missingRequests, 'request');
    note(missingLimits, 'limit');
    if (Object.keys({ ...missingRequests, ...missingLimits }).length === 0) return container;
    return {
      ...container,
      resources: {
        ...resources,
        ...withAmounts('requests', resources.requests, missingRequests),
        ...withAmounts('limits', resources.limits, missingLimits),
      },
    };
  };
  const containers = pod.spec.containers.map((one) => filled(one, 'container'));
  const initContainers = pod.spec.initContainers?.map((one) => filled(one, 'init container'));
  if (notes.length === 0) return pod;
  const annotations = { ...pod.metadata.annotations, [ANNOTATION]: `LimitRanger plugin set: ${notes.join('; ')}` };
  return {
    ...pod,
    metadata: { ...pod.metadata, annotations },
    spec: { ...pod.spec, containers, ...(initContainers && { initContainers }) },
  };
}

const missing = (defaults: Amounts, present: Amounts = {}): Amounts =>
  Object.fromEntries(Object.entries(defaults).filter(([name]) => !Object.hasOwn(present, name)));

const withAmounts = (which: 'requests' | 'limits', present: Amounts | undefined, more: Amounts) =>
  Object.keys(more).length > 0 ? { [which]: { ...present, ...more } } : {};
