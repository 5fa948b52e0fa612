/** What a pod uses of a quota: as long as it is not over, what it asks for and may have. Source: "Resource Quotas". */
import type { Container, Pod, PodAffinityTerm } from '#api/generated/schema.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { isTerminal } from '../pod-conditions.ts';
import { qosClassOf } from '../pod-qos.ts';
import { podLimits, podRequests, specInUse } from '../pod-resources.ts';
import { isExtendedResource, isHugePages } from '../resource-names.ts';
import { type Amounts, isSameAmounts } from './amounts.ts';
import type { QuotaEvaluator } from './evaluator.ts';
import { type ScopeSelector, selectsClass } from './scopes.ts';

const COMPUTE = ['cpu', 'memory', 'ephemeral-storage'];
const NAMES = new Set([
  'count/pods',
  'pods',
  ...COMPUTE.flatMap((name) => [name, `requests.${name}`, `limits.${name}`]),
]);
/** What a container must say of itself when a quota limits it. */
const TOLD = ['cpu', 'limits.cpu', 'limits.memory', 'memory', 'requests.cpu', 'requests.memory'];
const DEVICE_CLASS = 'requests.deviceclass.resource.kubernetes.io/';

const isExtendedRequest = (name: string): boolean =>
  name.startsWith('requests.') &&
  ((name.includes('/') && !name.includes('kubernetes.io/')) || name.startsWith(DEVICE_CLASS));

const isUsed = (name: string): boolean =>
  NAMES.has(name) || isHugePages(name) || name.startsWith('requests.hugepages-') || isExtendedRequest(name);

export const podEvaluator: QuotaEvaluator = {
  hasScopes: true,
  handles({ verb, subresource, next, current }) {
    if (subresource === 'resize') return verb === 'update';
    if (subresource !== '') return false;
    return verb === 'create' || changesScope(next as Pod, current as Pod);
  },
  isUsed,
  matchesScope: (object, selector) => matchesScope(object as Pod, selector),
  complaint: (object, names) => complaint(object as Pod, names),
  usage(object, nowMs) {
    const pod = object as Pod;
    const count = { 'count/pods': '1' };
    if (!isCounted(pod, nowMs)) return count;
    const spec = specInUse(pod);
    return { ...count, ...amountsOf(podRequests(spec), podLimits(spec)) };
  },
  mayFree(next, current) {
    const used = (object: KubeObject) => podEvaluator.usage(object, 0);
    return changesScope(next as Pod, current as Pod) || !isSameAmounts(used(next), used(current));
  },
};

/** A deadline takes it from one scope into another. */
const changesScope = (next: Pod, current: Pod): boolean => isTerminating(next) !== isTerminating(current);

const isTerminating = ({ spec }: Pod): boolean => (spec.activeDeadlineSeconds ?? -1) >= 0;

/** One that is over, or should have gone by now, no longer uses anything. */
function isCounted(pod: Pod, nowMs: number): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds } = pod.metadata;
  if (isTerminal(pod)) return false;
  if (!deletionTimestamp || deletionGracePeriodSeconds === undefined) return true;
  return nowMs <= Date.parse(deletionTimestamp) + deletionGracePeriodSeconds * 1000;
}

function amountsOf(requests: Amounts, limits: Amounts): Record<string, string> {
  const amounts: Record<string, string> = { pods: '1' };
  for (const name of COMPUTE) {
    if (requests[name] !== undefined)
      Object.assign(amounts, { [name]: requests[name], [`requests.${name}`]: requests[name] });
    if (limits[name] !== undefined) amounts[`limits.${name}`] = limits[name];
  }
  for (const [name, amount] of Object.entries(requests)) {
    if (isHugePages(name)) Object.assign(amounts, { [name]: amount, [`requests.${name}`]: amount });
    else if (isExtendedResource(name) || isExtendedRequest(`requests.${name}`)) amounts[`requests.${name}`] = amount;
  }
  return amounts;
}

/** `must specify limits.cpu for: a,b; requests.cpu for: a`. A pod that speaks for all its containers need not repeat it. */
function complaint({ spec }: Pod, names: readonly string[]): string | undefined {
  if (spec.resources && Object.keys({ ...spec.resources.requests, ...spec.resources.limits }).length > 0)
    return undefined;
  const told = TOLD.filter((name) => names.includes(name));
  const all: readonly Container[] = [...spec.containers, ...(spec.initContainers ?? [])];
  const missing = told.flatMap((name) => {
    const silent = all.filter(
      ({ resources }) => !(name in amountsOf(resources?.requests ?? {}, resources?.limits ?? {})),
    );
    return silent.length > 0 ? [`${name} for: ${[...new Set(silent.map((one) => one.name))].sort().join(',')}`] : [];
  });
  return missing.length > 0 ? `must specify ${missing.join('; ')}` : undefined;
}

function matchesScope(pod: Pod, selector: ScopeSelector): boolean {
  switch (selector.scopeName) {
    case 'Terminating':
      return isTerminating(pod);
    case 'NotTerminating':
      return !isTerminating(pod);
    case 'BestEffort':
      return qosClassOf(pod) === 'BestEffort';
    case 'NotBestEffort':
      return qosClassOf(pod) !== 'BestEffort';
    case 'PriorityClass':
      return selectsClass(selector, pod.spec.priorityClassName ? [pod.spec.priorityClassName] : []);
    case 'CrossNamespacePodAffinity':
      return looksIntoOtherNamespaces(pod);
    default:
      return false;
  }
}

function looksIntoOtherNamespaces({ spec: { affinity } }: Pod): boolean {
  const looks = (term: PodAffinityTerm | undefined) =>
    (term?.namespaces?.length ?? 0) > 0 || term?.namespaceSelector !== undefined;
  return [affinity?.podAffinity, affinity?.podAntiAffinity].some(
    (one) =>
      one?.requiredDuringSchedulingIgnoredDuringExecution?.some(looks) ||
      one?.preferredDuringSchedulingIgnoredDuringExecution?.some(({ podAffinityTerm }) => looks(podAffinityTerm)),
  );
}
