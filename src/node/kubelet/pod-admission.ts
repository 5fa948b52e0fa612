/**
 * Which pods a node takes. The scheduler has asked the same; but a pod may name its node itself, and two schedulers may give
 * one place away twice. What is refused fails for good. Source: kubelet/lifecycle/predicate.go.
 */
import { collide, hostPortsOf } from '#api/core/v1/host-ports.ts';
import { wantsNode } from '#api/core/v1/node-affinity.ts';
import { isTerminal } from '#api/core/v1/pod-conditions.ts';
import { podRequests } from '#api/core/v1/pod-resources.ts';
import type { Node, Pod } from '#api/generated/schema.ts';
import { quantityMilliValue, quantityValue } from '#api/machinery/quantity.ts';

export interface Refusal {
  reason: string;
  message: string;
}

export interface NodeNow {
  /** undefined as long as it is not registered: then nothing is known that could speak against a pod. */
  node: Node | undefined;
  /** The node's pods, this one among them or not. */
  others: readonly Pod[];
}

/** A pod that was there before is not judged by those that came later. */
export function refusalOf(pod: Pod, { node, others }: NodeNow): Refusal | undefined {
  const running = others.filter(
    (other) => other.metadata.uid !== pod.metadata.uid && !isTerminal(other) && isAhead(other, pod),
  );
  return (
    (node && (groupsRefusal(pod, node) ?? resourceRefusal(pod, node, running) ?? affinityRefusal(pod, node))) ??
    portRefusal(pod, running)
  );
}

/** A runtime that does not say that it can be strict about groups would add the image's own. */
const groupsRefusal = ({ spec }: Pod, { status }: Node): Refusal | undefined =>
  spec.securityContext?.supplementalGroupsPolicy === 'Strict' && !status?.features?.supplementalGroupsPolicy
    ? {
        reason: 'SupplementalGroupsPolicyNotSupported',
        message: 'SupplementalGroupsPolicy=Strict is not supported in this node',
      }
    : undefined;

/** It runs, or came first. */
function isAhead(other: Pod, pod: Pod): boolean {
  if (other.status?.phase === 'Running') return true;
  const [a, b] = [other.metadata.creationTimestamp, pod.metadata.creationTimestamp];
  return a === b ? other.metadata.uid < pod.metadata.uid : a < b;
}

/** CPUs are told in thousandths, everything else in whole units. */
const amount = (name: string, text: string | undefined): number =>
  name === 'cpu' ? quantityMilliValue(text) : quantityValue(text);

/** @param running the other pods */
export function resourceRefusal(pod: Pod, node: Node, running: readonly Pod[]): Refusal | undefined {
  const allocatable = node.status?.allocatable ?? {};
  const out = (name: string, requested: number, used: number, capacity: number): Refusal => ({
    reason: `OutOf${name}`,
    message: `Node didn't have enough resource: ${name}, requested: ${requested}, used: ${used}, capacity: ${capacity}`,
  });
  const podRoom = quantityValue(allocatable.pods);
  if (allocatable.pods !== undefined && running.length + 1 > podRoom) return out('pods', 1, running.length, podRoom);
  for (const [name, text] of Object.entries(podRequests(pod.spec))) {
    const requested = amount(name, text);
    if (requested === 0 || (!Object.hasOwn(allocatable, name) && name.includes('/'))) continue;
    const used = running.reduce((sum, { spec }) => sum + amount(name, podRequests(spec)[name]), 0);
    const capacity = amount(name, allocatable[name]);
    if (requested + used > capacity) return out(name, requested, used, capacity);
  }
  return undefined;
}

const predicate = (name: string, why: string): Refusal => ({
  reason: name,
  message: `Predicate ${name} failed: ${why}`,
});

const affinityRefusal = ({ spec }: Pod, node: Node): Refusal | undefined =>
  wantsNode(spec, node) ? undefined : predicate('NodeAffinity', "node(s) didn't match Pod's node affinity/selector");

function portRefusal(pod: Pod, running: readonly Pod[]): Refusal | undefined {
  const wanted = hostPortsOf(pod);
  const used = wanted.length > 0 ? running.flatMap(hostPortsOf) : [];
  return wanted.some((port) => used.some((other) => collide(port, other)))
    ? predicate('NodePorts', "node(s) didn't have free ports for the requested pod ports")
    : undefined;
}
