/**
 * What the proxy must know of one port of one Service: its virtual addresses and the endpoints behind them.
 * Pure: Service and EndpointSlices in, ServicePorts out. Source: KEP-1669 (terminating endpoints), KEP-3015 (hints), Service API reference.
 */
import { type EndpointState, endpointStateOf, type Place, usableOf } from '#api/discovery/v1/usable-endpoints.ts';
import type { EndpointSlice, Service } from '#api/generated/schema.ts';
import { canonicalIp, formatIp, maskedIp, parseCidr, rangeContains } from '#api/machinery/ip.ts';
import { keyOf } from '#api/machinery/object.ts';
import { familyOf, type IpFamily } from '#network/netfilter/ip-family.ts';
import { type Protocol, protocolOf } from '#network/netfilter/protocol.ts';

export interface Endpoint {
  ip: string;
  port: number;
  /** On this node. */
  isLocal: boolean;
}

export interface ServicePort {
  /** `namespace/name:port`, unique. */
  id: string;
  protocol: Protocol;
  port: number;
  /** Empty for headless Services; only addresses of the asked family. */
  clusterIPs: readonly string[];
  /** External and load balancer addresses. */
  externalIPs: readonly string[];
  /** Those of `externalIPs` that only clients from `sourceRanges` may use. */
  guardedIPs: string[];
  sourceRanges: string[];
  nodePort: number | undefined;
  /** Sorted by address; what cluster-wide traffic may use. */
  endpoints: Endpoint[];
  /** The part of it on this node; what traffic under a Local policy may use. */
  localEndpoints: Endpoint[];
  /**
   * Addresses of the ready ones on this node: what a load balancer is told. Those that only serve on while they terminate get
   * what still comes, but nothing new should be sent. Source: KEP-1669.
   */
  readyLocalIPs: string[];
  /**
   * Of UDP, which has no end: addresses of all that serve, wherever they are and whomever they are for. A flow to any other leads
   * nowhere.
   */
  servingIPs: string[];
  isExternalLocal: boolean;
  isInternalLocal: boolean;
  /** How long one client stays with one endpoint; undefined: no affinity. */
  affinitySeconds: number | undefined;
}

export interface ProxyView {
  nodeName: string;
  /** The node's; endpoints may be meant for some zones. */
  zone?: string | undefined;
  family: IpFamily;
}

export function servicePortsOf(service: Service, slices: readonly EndpointSlice[], view: ProxyView): ServicePort[] {
  const { spec } = service;
  if (spec.type === 'ExternalName' || spec.clusterIP === 'None' || !spec.clusterIP) return [];
  const clusterIPs = ofFamily(view.family, written(spec.clusterIPs ?? [spec.clusterIP]));
  if (clusterIPs.length === 0) return []; // not offered in this family
  const { externalIPs, guardedIPs, sourceRanges } = outsideOf(service, view.family);
  const id = keyOf(service);
  return (spec.ports ?? []).map((port) => {
    const all = candidatesFor(slices, port.name ?? '', view);
    const local = all.some(({ endpoint }) => endpoint.isLocal) ? all.filter(({ endpoint }) => endpoint.isLocal) : NONE;
    return {
      id: `${id}:${port.name ?? port.port}`,
      protocol: protocolOf(port.protocol),
      port: port.port,
      clusterIPs,
      externalIPs,
      guardedIPs,
      sourceRanges,
      nodePort: port.nodePort || undefined,
      endpoints: usable(all, view),
      localEndpoints: usable(local),
      readyLocalIPs: local.flatMap(({ endpoint, isReady }) => (isReady ? [endpoint.ip] : [])),
      servingIPs:
        port.protocol === 'UDP' ? all.flatMap(({ endpoint, isServing }) => (isServing ? [endpoint.ip] : [])) : NONE,
      isExternalLocal: spec.externalTrafficPolicy === 'Local',
      isInternalLocal: spec.internalTrafficPolicy === 'Local',
      affinitySeconds:
        spec.sessionAffinity === 'ClientIP'
          ? (spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? 10_800)
          : undefined,
    };
  });
}

/** Shared by most Services: there are thousands. */
const NONE: never[] = [];
const NOWHERE = { externalIPs: NONE, guardedIPs: NONE, sourceRanges: NONE };

/** In the one way that the kernel knows: to it, two ways of writing an address are two rules for one packet, which it refuses. */
const written = (ips: readonly string[]): readonly string[] =>
  ips.every((ip) => canonicalIp(ip) === ip) ? ips : ips.flatMap((ip) => canonicalIp(ip) ?? []);

const ofFamily = (family: IpFamily, ips: readonly string[]): readonly string[] =>
  ips.every((ip) => familyOf(ip) === family) ? ips : ips.filter((ip) => familyOf(ip) === family);

function outsideOf({ spec, status }: Service, family: IpFamily): Pick<ServicePort, keyof typeof NOWHERE> {
  const ingress = status?.loadBalancer?.ingress;
  if (!ingress?.length && !spec.externalIPs?.length) return NOWHERE;
  const balanced = written((ingress ?? []).flatMap(({ ip, ipMode }) => (ip && ipMode !== 'Proxy' ? [ip] : [])));
  const all = new Set([...written(spec.externalIPs ?? []), ...balanced]);
  const externalIPs = ofFamily(family, [...all]);
  const sourceRanges = outermost(spec.loadBalancerSourceRanges ?? NONE, family);
  // Ranges of the other family alone say nothing of this one: upstream filters them before it looks whether there are any.
  if (sourceRanges.length === 0) return { ...NOWHERE, externalIPs };
  return { externalIPs, guardedIPs: balanced.filter((ip) => externalIPs.includes(ip)), sourceRanges };
}

interface Candidate extends EndpointState {
  endpoint: Endpoint;
}

/** Sorted by address; of two that are the same the later counts. */
function candidatesFor(
  slices: readonly EndpointSlice[],
  portName: string,
  { nodeName, family }: ProxyView,
): readonly Candidate[] {
  const all: Candidate[] = [];
  for (const slice of slices) {
    if (slice.addressType !== (family === 'ipv4' ? 'IPv4' : 'IPv6')) continue;
    const port = (slice.ports ?? []).find(({ name }) => (name ?? '') === portName)?.port;
    if (!port) continue;
    for (const { addresses, conditions, hints, nodeName: endpointNode } of slice.endpoints ?? []) {
      const ip = canonicalIp(addresses[0] ?? '');
      if (!ip) continue;
      const { isReady, isServing } = endpointStateOf(conditions);
      all.push({ endpoint: { ip, port, isLocal: endpointNode === nodeName }, isReady, isServing, hints });
    }
  }
  if (all.length < 2) return all;
  all.sort(({ endpoint: a }, { endpoint: b }) => (a.ip < b.ip ? -1 : a.ip > b.ip ? 1 : a.port - b.port));
  const isRepeated = ({ endpoint }: Candidate, i: number) => {
    const next = all[i + 1]?.endpoint;
    return next?.ip === endpoint.ip && next.port === endpoint.port;
  };
  return all.some(isRepeated) ? all.filter((candidate, i) => !isRepeated(candidate, i)) : all;
}

function usable(candidates: readonly Candidate[], view?: ProxyView): Endpoint[] {
  if (candidates.length === 0) return NONE;
  const place: Place | undefined = view && { nodeName: view.nodeName, zone: view.zone };
  return usableOf(candidates, place).map(({ endpoint }) => endpoint);
}

/** Ranges of one family, without host bits, and without those that lie in others: a set of the kernel's refuses both. */
function outermost(texts: readonly string[], family: IpFamily): string[] {
  const ranges = texts.flatMap((text) => (familyOf(text) === family ? (parseCidr(text.trim()) ?? []) : []));
  const wide = ranges.toSorted((a, b) => a.prefixLength - b.prefixLength);
  const kept = wide.filter((range, i) => !wide.slice(0, i).some((wider) => rangeContains(wider, range.address)));
  return kept.map((range) => `${formatIp(maskedIp(range))}/${range.prefixLength}`);
}
