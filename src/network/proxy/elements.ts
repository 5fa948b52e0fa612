/**
 * A Service as elements of nftables maps. Chains exist per *number* of endpoints and never change; everything that is
 * particular to a Service is map elements, so a change costs the same with ten Services or ten thousand.
 */
import { type Affinity, affinityOf } from './affinity.ts';
import { type ChainFamily, endpointMap } from './chain-family.ts';
import type { Front, Wanted } from './fronts.ts';
import type { Endpoint } from './service-port.ts';

/** One element of one nftables map or set. */
export interface Element {
  map: string;
  key: string;
  /** Empty for a set. */
  value: string;
}

/** What one Service needs besides the base ruleset. */
export interface Rendered {
  elements: Element[];
  /** The numbers of endpoints for which chains must exist, by family. */
  chains: { family: ChainFamily; count: number }[];
  affinities: Affinity[];
  /** Endpoints on this node: a pod that reaches itself through a Service must not see its own address as the source. */
  hairpins: readonly string[];
}

export function render({ fronts, clusterIPs, hairpins }: Wanted): Rendered {
  const rendered: Rendered = { elements: [], chains: [], affinities: [], hairpins };
  for (const front of fronts) renderFront(front, rendered);
  for (const ip of clusterIPs) rendered.elements.push({ map: 'cluster-ips', key: ip, value: '' });
  return rendered;
}

function renderFront(front: Front, into: Rendered): void {
  const { family, ip, protocol, port, endpoints, inside } = front;
  const [dispatch, none] = ip === undefined ? ['np', 'no-endpoints-np'] : ['svc', 'no-endpoints'];
  const key = ip === undefined ? `${protocol} . ${port}` : `${ip} . ${protocol} . ${port}`;
  if (front.sourceRanges) {
    into.elements.push({ map: 'guarded', key, value: '' });
    for (const range of front.sourceRanges) into.elements.push({ map: 'sources', key: `${key} . ${range}`, value: '' });
  }
  const seconds = front.affinitySeconds;
  if (inside)
    lead(
      { dispatch: `${dispatch}-inside`, family: ip === undefined ? 'np' : 'lb', key, endpoints: inside, seconds },
      into,
    );
  if (endpoints.length > 0) lead({ dispatch, family, key, endpoints, seconds }, into);
  else into.elements.push({ map: none, key, value: front.isForbiddenHere ? 'drop' : 'goto refuse' });
}

interface Leading {
  /** The map that dispatches to a chain. */
  dispatch: string;
  family: ChainFamily;
  key: string;
  endpoints: readonly Endpoint[];
  seconds: number | undefined;
}

function lead({ dispatch, family, key, endpoints, seconds }: Leading, into: Rendered): void {
  const count = endpoints.length;
  if (seconds !== undefined) {
    const affinity = affinityOf({ family, key, endpoints, seconds });
    into.affinities.push(affinity);
    into.elements.push({ map: dispatch, key, value: `goto ${affinity.chain}` });
  } else {
    into.chains.push({ family, count });
    into.elements.push({ map: dispatch, key, value: `goto ${family}${count}` });
    const map = endpointMap(family, count);
    endpoints.forEach(({ ip: to, port: toPort }, i) => {
      into.elements.push({ map, key: `${key} . ${i}`, value: `${to} . ${toPort}` });
    });
  }
}
