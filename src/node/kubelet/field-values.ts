/** What `fieldRef` and `resourceFieldRef` name. Source: "Downward API". */
import type { Container, Pod, ResourceFieldSelector } from '#api/generated/schema.ts';
import { quantityMilliValue, quantityValue } from '#api/machinery/quantity.ts';
import { containerNamed } from './pod-containers.ts';

export interface NodeFacts {
  nodeName: string;
  hostIPs: readonly string[];
  /** What a container may use when it says no limit. */
  allocatable: Readonly<Record<string, string>>;
}

/** A reference that cannot be resolved; the message is the event's. */
export class UnresolvedField extends Error {}

const SUBSCRIPT = /^metadata\.(labels|annotations)\['(.*)'\]$/;

/** @param podIPs as far as they are known: empty before the sandbox is made */
export function fieldValue(
  path: string,
  pod: Pod,
  { node, podIPs }: { node: NodeFacts; podIPs: readonly string[] },
): string {
  const subscript = SUBSCRIPT.exec(path);
  if (subscript) return pod.metadata[subscript[1] as 'labels' | 'annotations']?.[subscript[2] ?? ''] ?? '';
  switch (path) {
    case 'metadata.name':
      return pod.metadata.name;
    case 'metadata.namespace':
      return pod.metadata.namespace ?? '';
    case 'metadata.uid':
      return pod.metadata.uid;
    case 'metadata.labels':
      return mapText(pod.metadata.labels);
    case 'metadata.annotations':
      return mapText(pod.metadata.annotations);
    case 'spec.nodeName':
      return node.nodeName;
    case 'spec.serviceAccountName':
      return pod.spec.serviceAccountName ?? '';
    case 'status.hostIP':
      return node.hostIPs[0] ?? '';
    case 'status.hostIPs':
      return node.hostIPs.join(',');
    case 'status.podIP':
      return podIPs[0] ?? '';
    case 'status.podIPs':
      return podIPs.join(',');
    default:
      throw new UnresolvedField(`unsupported fieldPath: ${path}`);
  }
}

/** One `key="value"` a line, sorted. */
const mapText = (map: Record<string, string> = {}): string =>
  Object.keys(map)
    .sort()
    .map((key) => `${key}=${JSON.stringify(map[key])}`)
    .join('\n');

export function resourceFieldValue(
  ref: ResourceFieldSelector,
  pod: Pod,
  { own, node }: { own: Container | undefined; node: NodeFacts },
): string {
  const container = ref.containerName ? containerNamed(pod, ref.containerName) : own;
  if (!container) throw new UnresolvedField(`container ${ref.containerName} not found`);
  const [part = '', ...rest] = ref.resource.split('.');
  const name = rest.join('.');
  if ((part !== 'limits' && part !== 'requests') || !name)
    throw new UnresolvedField(`unsupported container resource : ${ref.resource}`);
  const resources = container.resources;
  const limit = resources?.limits?.[name];
  const amount = part === 'limits' ? (limit ?? node.allocatable[name]) : (resources?.requests?.[name] ?? limit);
  return amountText(name, amount ?? '0', ref.divisor);
}

/** In units of the divisor, rounded up. */
function amountText(name: string, amount: string, divisor: string | undefined): string {
  const by = divisor && quantityMilliValue(divisor) !== 0 ? divisor : '1';
  if (name === 'cpu') return String(Math.ceil(quantityMilliValue(amount) / quantityMilliValue(by)));
  return String(Math.ceil(quantityValue(amount) / Math.max(1, quantityValue(by))));
}
