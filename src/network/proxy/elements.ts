/**
 * Services as elements of nftables maps. Chains exist per *number* of endpoints and never change; everything that is
 * particular to a Service is map elements, so a change costs the same with ten Services or ten thousand.
 */
import { type Affinity, affinityOf } from './affinity.ts';
import { chainName, endpointMap, type Leading } from './chain-family.ts';
import { type Front, keyOf, type Wanted } from './fronts.ts';

/** What some Services need together besides the base ruleset. */
export interface Rendered {
  /** Map or set → its elements as nft writes them, `KEY : VALUE` or `KEY`; none is there twice. */
  elements: Map<string, string[]>;
  /** What must exist to be led to, by the chain's name. */
  chains: Map<string, Leading>;
  affinities: Map<string, Affinity>;
  /** Endpoints on this node: a pod that reaches itself through a Service must not see its own address as the source. */
  hairpins: string[];
}

export function render(services: Iterable<Wanted | undefined>): Rendered {
  const clusterIPs = new Set<string>();
  const rendered: Rendered = { elements: new Map(), chains: new Map(), affinities: new Map(), hairpins: [] };
  for (const service of services) {
    if (!service) continue;
    for (const front of service.fronts) renderFront(keyOf(front), front, rendered);
    for (const ip of service.clusterIPs) clusterIPs.add(ip);
    for (const ip of service.hairpins) rendered.hairpins.push(ip);
  }
  if (clusterIPs.size > 0) rendered.elements.set('cluster-ips', [...clusterIPs]);
  return rendered;
}

function renderFront(key: string, front: Front, into: Rendered): void {
  const { ip, endpoints, inside, sourceRanges } = front;
  const [dispatch, none] = ip === undefined ? ['np', 'no-endpoints-np'] : ['svc', 'no-endpoints'];
  if (sourceRanges) {
    add(into, 'guarded', key);
    for (const range of sourceRanges) add(into, 'sources', `${key} . ${range}`);
  }
  if (inside) {
    const all: Front = { ...front, family: ip === undefined ? 'np' : 'lb', endpoints: inside };
    add(into, `${dispatch}-inside`, `${key} : goto ${lead(key, all, into)}`);
  }
  if (endpoints.length > 0) add(into, dispatch, `${key} : goto ${lead(key, front, into)}`);
  else add(into, none, `${key} : ${front.isForbiddenHere ? 'drop' : 'goto refuse'}`);
}

/** @returns the chain that leads to the front's endpoints. */
function lead(key: string, front: Front, into: Rendered): string {
  const { family, ip, protocol, port, endpoints, affinitySeconds: seconds } = front;
  if (seconds !== undefined) {
    const affinity = affinityOf({ family, protocol, key, endpoints, seconds });
    into.affinities.set(affinity.chain, affinity);
    return affinity.chain;
  }
  const leading: Leading = { family, protocol, count: endpoints.length };
  const chain = chainName(leading);
  if (!into.chains.has(chain)) into.chains.set(chain, leading);
  const elements = listOf(into, endpointMap(chain));
  const at = ip === undefined ? `${port}` : `${ip} . ${port}`;
  endpoints.forEach((to, i) => void elements.push(`${at} . ${i} : ${to.ip} . ${to.port}`));
  return chain;
}

function add(into: Rendered, map: string, element: string): void {
  listOf(into, map).push(element);
}

function listOf({ elements }: Rendered, map: string): string[] {
  let list = elements.get(map);
  if (!list) {
    list = [];
    elements.set(map, list);
  }
  return list;
}
