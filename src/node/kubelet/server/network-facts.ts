/**
 * `GET /debug/network?pod=NAMESPACE/NAME&front=ADDRESS . tcp . PORT`: what `kedge trace` wants to know of this node. Kedge's own;
 * needs `nodes/proxy`, as any path that upstream's kubelet does not have.
 */
import type { NetworkFacts } from '#api/kedge/v1alpha1/network-facts.ts';
import type { Kubelet } from '../kubelet.ts';
import { podCgroupPath } from '../quality-of-service.ts';
import { HttpError } from './http-error.ts';

/** Looks into the kernel. `pid` is of a process in the pod's network. */
export type ReadNetwork = (asked: {
  pid?: number;
  addresses?: readonly string[];
  front?: string;
}) => Promise<NetworkFacts>;

/** Throws HttpError. */
export async function serveNetworkFacts(
  query: URLSearchParams,
  { kubelet, readNetwork }: { kubelet: Kubelet; readNetwork: ReadNetwork | undefined },
): Promise<NetworkFacts> {
  if (!readNetwork) throw new HttpError(404, '404 page not found');
  const front = query.get('front');
  const name = query.get('pod');
  const pod = name ? kubelet.pods.get(name) : undefined;
  if (name && !pod) throw new HttpError(404, 'pod does not exist');
  const [pid] = (pod && (await kubelet.cgroups?.processes(podCgroupPath(kubelet.cgroupRoot, pod)))) ?? [];
  const addresses =
    pod && !pod.spec.hostNetwork ? (kubelet.statusOf(pod)?.podIPs ?? []).flatMap(({ ip }) => ip || []) : [];
  return readNetwork({ ...(pid !== undefined && { pid }), addresses, ...(front && { front }) });
}
