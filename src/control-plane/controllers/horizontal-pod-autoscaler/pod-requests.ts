/** What pods ask for of a resource, in thousandths. Source: KEP-2837 for what is asked for at the pod's level. */
import { isRestartableInit } from '#api/core/v1/pod-conditions.ts';
import { podRequests } from '#api/core/v1/pod-resources.ts';
import type { Pod } from '#api/generated/schema.ts';
import { quantityMilliValue } from '#api/machinery/quantity.ts';
import { NoProposal } from './no-proposal.ts';

/** By pod name; of one container when it is named. Throws NoProposal when one does not say. */
export const requestsOf = (
  pods: readonly Pod[],
  resource: string,
  container: string | undefined,
): ReadonlyMap<string, number> =>
  new Map(pods.map((pod) => [pod.metadata.name, requestOf(pod, resource, container)] as const));

const AT_POD_LEVEL = /^(cpu|memory|hugepages-.*)$/;

function requestOf(pod: Pod, resource: string, container: string | undefined): number {
  const atPodLevel = pod.spec.resources?.requests ?? {};
  if (container === undefined && Object.keys(atPodLevel).some((name) => AT_POD_LEVEL.test(name)))
    return podLevelRequest(pod, resource);
  const { name: podName } = pod.metadata;
  const all = [...pod.spec.containers, ...(pod.spec.initContainers ?? []).filter(isRestartableInit)];
  const counted = container === undefined ? all : all.filter(({ name }) => name === container);
  if (container !== undefined && counted.length === 0)
    throw new NoProposal(`container ${container} not found in Pod ${podName}`);
  return counted.reduce((sum, { name, resources }) => {
    const request = resources?.requests?.[resource];
    if (request === undefined)
      throw new NoProposal(`missing request for ${resource} in container ${name} of Pod ${podName}`);
    return sum + quantityMilliValue(request);
  }, 0);
}

/** As the scheduler counts: the overhead as well, and what its containers say where the pod says nothing itself. */
function podLevelRequest({ spec, metadata }: Pod, resource: string): number {
  const request = podRequests(spec)[resource];
  if (request === undefined) throw new NoProposal(`missing pod-level request for ${resource} in Pod ${metadata.name}`);
  return quantityMilliValue(request);
}
