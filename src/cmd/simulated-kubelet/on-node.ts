/** What a request to a simulated kubelet is about: a node, and the pods that are bound to it. */
import type { Pod } from '#api/generated/schema.ts';
import type { Clock } from '#base/clock.ts';
import type { IndexedInformer } from '#client/informer.ts';
import { HttpError } from '#node/kubelet/server/http-error.ts';
import type { Answering } from '#node/simulated/simulated-members.ts';
import type { NodeUsage } from '#node/simulated/usage-meter.ts';

export interface OnNode {
  member: Answering;
  /** By the name of their node. */
  pods: IndexedInformer<Pod>;
  clock: Clock;
  /** What its counters say. */
  usage(): NodeUsage;
}

export const podsOn = ({ pods, member }: OnNode): Pod[] => pods.under(member.name);

/** @throws HttpError */
export function podOn({ pods, member }: OnNode, namespace: string, name: string): Pod {
  const pod = pods.get(`${namespace}/${name}`);
  if (pod?.spec.nodeName !== member.name) throw new HttpError(404, 'pod does not exist');
  return pod;
}
