/** What NetworkPolicies say to a connection on each of the ways that it may take. */
import type { Pod } from '#api/generated/schema.ts';
import { keyOf } from '#api/machinery/object.ts';
import { familyOf } from '#network/netfilter/ip-family.ts';
import { podFactsOf } from '#network/policy/pod-facts.ts';
import { type Connection, policyVerdict } from '#network/policy/policy-verdict.ts';
import { breaks, fewOf, type Hop, passes } from './hop.ts';
import type { Known } from './known.ts';
import { labelsText } from './objects.ts';
import type { Target } from './service-hops.ts';

/** Who sends packets to an endpoint: a pod, or something with an address. */
export interface Sender {
  pod: Pod | undefined;
  address: string;
  /** The node that it is on, or is: what a node exchanges with its own pods is always allowed. */
  node: string | undefined;
  says: string;
}

export interface Way {
  sender: Sender;
  target: Target;
  /** Of the target. */
  pod: Pod | undefined;
}

/** undefined: no policy means any of these pods. */
export function policyHop(ways: readonly Way[], known: Known): Hop | undefined {
  const judged = ways.map((way) => ({ way, ...judge(way, known) }));
  const denied = judged.find(({ denial }) => denial !== undefined);
  if (denied?.denial) {
    const few = judged.filter(({ denial }) => denial !== undefined).length;
    const says = `${denied.way.sender.says} → ${denied.way.target.ip}:${denied.way.target.port}`;
    const share = few < judged.length ? [`${judged.length - few} of ${judged.length} ways are allowed`] : [];
    return breaks('policy', says, { ...denied.denial, ...(share.length > 0 && { details: share }) });
  }
  const allowing = [...new Set(judged.flatMap(({ allowedBy }) => allowedBy))].sort();
  if (allowing.length > 0)
    return passes('policy', `allowed by ${fewOf(allowing.map((name) => `NetworkPolicy ${name}`))}`);
  const isNear = judged.some(({ isolated }) => isolated);
  return isNear ? passes('policy', 'from its own node, which policies always allow') : undefined;
}

interface Judged {
  denial?: { why: string; next: string };
  allowedBy: readonly string[];
  isolated: boolean;
}

function judge({ sender, target, pod }: Way, known: Known): Judged {
  const view = { family: familyOf(target.ip), nodeName: '' };
  const from = sender.pod && podFactsOf(sender.pod, view);
  const to = pod && podFactsOf(pod, view);
  const connection: Connection = {
    from,
    fromAddress: from?.address ?? sender.address,
    to,
    toAddress: target.ip,
    protocol: 'tcp',
    port: target.port,
  };
  const context = { policies: known.lists.policies, namespaceLabels: known.namespaceLabels };
  const [egress, ingress] = (['egress', 'ingress'] as const).map((direction) =>
    policyVerdict(direction, connection, context),
  );
  const isolated = Boolean(egress?.isolating.length || ingress?.isolating.length);
  const isItself = from !== undefined && from.address === to?.address;
  const isOwnNode = !from && sender.node !== undefined && sender.node === pod?.spec.nodeName;
  if (isItself || isOwnNode) return { allowedBy: [], isolated };
  const allowedBy = [...(egress?.allowing ?? []), ...(ingress?.allowing ?? [])];
  if (egress && !egress.isAllowed) {
    const peer = pod
      ? `to pods with ${labelsText(pod.metadata.labels)}${inNamespace(pod)}`
      : `to ipBlock ${target.ip}/32`;
    const why = `${policiesText(egress.isolating)} isolates the egress of pod ${sender.pod && keyOf(sender.pod)}, and no rule allows this`;
    return { denial: { why, next: `add an egress rule ${peer}, TCP port ${target.port}` }, allowedBy, isolated };
  }
  if (ingress && !ingress.isAllowed) {
    const peer = sender.pod
      ? `from pods with ${labelsText(sender.pod.metadata.labels)}${inNamespace(sender.pod)}`
      : `from ipBlock ${sender.address}/32`;
    const why = `${policiesText(ingress.isolating)} isolates pod ${pod && keyOf(pod)}, and no rule allows this`;
    return { denial: { why, next: `add an ingress rule ${peer}, TCP port ${target.port}` }, allowedBy, isolated };
  }
  return { allowedBy, isolated };
}

const policiesText = (names: readonly string[]): string => `NetworkPolicy ${fewOf(names)}`;
const inNamespace = ({ metadata }: Pod): string => ` in namespace ${metadata.namespace}`;
