/** What the name in a URL stands for, and who says so: the cluster's DNS for pods, the machine's own resolver for others. */

import { serviceKeyOf } from '#api/discovery/v1/endpoint-slice.ts';
import type { Pod } from '#api/generated/schema.ts';
import { isIpv4, isIpv6 } from '#api/machinery/ip.ts';
import { keyOf } from '#api/machinery/object.ts';
import { answerFrom } from '#network/dns/answer.ts';
import { recordsFor } from '#network/dns/records.ts';
import { Zone } from '#network/dns/zone.ts';
import { breaks, fewOf, type Hop, passes, unknown } from './hop.ts';
import { isUnseen, type Known } from './known.ts';

export interface Named {
  /** undefined: the URL has an address. */
  hop: Hop | undefined;
  addresses: readonly string[];
}

/** As resolv.conf of pods has it. */
const NDOTS = 5;
const LOOPBACK = '127.0.0.1';

/** @param pod who asks; undefined: somebody who asks the machine's resolver. */
export function nameHop(hostname: string, { pod, known }: { pod: Pod | undefined; known: Known }): Named {
  const bare = hostname.replace(/^\[|\]$/g, '');
  if (isIpv4(bare) || isIpv6(bare)) return { hop: undefined, addresses: [bare] };
  if (hostname === 'localhost' || hostname.endsWith('.localhost'))
    return { hop: passes('dns', `${hostname} is ${LOOPBACK} (RFC 6761)`), addresses: [LOOPBACK] };
  return pod && asksCluster(pod) ? inCluster(hostname, pod, known) : outside(hostname, known);
}

const asksCluster = ({ spec }: Pod): boolean =>
  spec.dnsPolicy === 'ClusterFirstWithHostNet' || (spec.dnsPolicy === 'ClusterFirst' && !spec.hostNetwork);

function inCluster(hostname: string, pod: Pod, known: Known): Named {
  const { domain, dnsAddresses } = known.lists;
  const zone = zoneOf(known);
  const by = `the DNS of node ${pod.spec.nodeName}${dnsAddresses[0] ? ` at ${dnsAddresses[0]}` : ''}`;
  let leadsOut = '';
  for (const name of candidates(hostname, pod.metadata.namespace ?? '', domain)) {
    const answers = ['A', 'AAAA'].map((type) => answerFrom(zone, { name, type }));
    const out = answers.find((answer) => answer?.follow)?.follow;
    if (!answers[0] || out) {
      leadsOut = out ?? name;
      break;
    }
    const addresses = answers.flatMap((answer) =>
      (answer?.answers ?? []).flatMap(({ type, data }) =>
        (type === 'A' || type === 'AAAA') && typeof data === 'string' ? [data] : [],
      ),
    );
    if (addresses.length > 0) return { hop: passes('dns', `${name} is ${fewOf(addresses)}, says ${by}`), addresses };
  }
  if (leadsOut) {
    const named = outside(leadsOut, known);
    if (named.hop?.state === 'breaks' && leadsOut === hostname && looksLikeService(hostname, known))
      return {
        hop: breaks('dns', `${hostname} has no address, says ${by}`, missing(hostname, pod, known)),
        addresses: [],
      };
    const text = `${leadsOut === hostname ? '' : `${hostname} is ${leadsOut}; `}${named.hop?.says}, which ${by} asks`;
    return { ...named, hop: named.hop && { ...named.hop, says: text } };
  }
  return { hop: breaks('dns', `${hostname} has no address, says ${by}`, missing(hostname, pod, known)), addresses: [] };
}

function zoneOf({ lists }: Known): Zone {
  const zone = new Zone(lists.domain);
  for (const service of lists.services) {
    const key = keyOf(service);
    const slices = lists.slices.filter((slice) => serviceKeyOf(slice) === key);
    zone.replace(key, recordsFor(service, slices, zone.domain));
  }
  return zone;
}

function candidates(hostname: string, namespace: string, domain: string): string[] {
  const name = hostname.replace(/\.$/, '');
  if (hostname.endsWith('.')) return [name];
  const searched = [`${namespace}.svc.${domain}`, `svc.${domain}`, domain].map((path) => `${name}.${path}`);
  return name.split('.').length - 1 >= NDOTS ? [name, ...searched] : [...searched, name];
}

/** `web`, `web.shop`, `web.shop.svc…`, and what is in front of it. */
const serviceWordsOf = (hostname: string): string[] =>
  hostname
    .replace(/\.svc(\..*)?$/, '')
    .split('.')
    .slice(-2);

/** So a pod writes a Service's name; anything else is a name of the world's. */
const looksLikeService = (hostname: string, { lists }: Known): boolean => {
  const [, namespace] = serviceWordsOf(hostname);
  return namespace === undefined || lists.namespaces.some(({ metadata }) => metadata.name === namespace);
};

/** Why a name of the cluster's has no address. */
function missing(hostname: string, pod: Pod, { lists }: Known): { why: string; next?: string } {
  const [name = '', namespace = pod.metadata.namespace ?? ''] = serviceWordsOf(hostname);
  const service = lists.services.find((each) => each.metadata.name === name && each.metadata.namespace === namespace);
  if (service)
    return {
      why: `Service ${namespace}/${name} is headless and has no ready pods, or has no address of this family`,
      next: `kubectl -n ${namespace} get endpointslices -l kubernetes.io/service-name=${name}`,
    };
  const elsewhere = lists.services.filter(({ metadata }) => metadata.name === name);
  const why = `there is no Service ${JSON.stringify(name)} in namespace ${namespace}`;
  const other = elsewhere[0]?.metadata.namespace;
  return { why, ...(other && { next: `there is one in namespace ${other}: ask for ${name}.${other}` }) };
}

function outside(hostname: string, known: Known): Named {
  const { domain } = known.lists;
  if (hostname === domain || hostname.endsWith(`.${domain}`) || hostname.endsWith('.svc')) {
    const why = 'only pods ask the DNS of the cluster';
    const next = 'trace it from a pod: --from pod/NAME';
    return { hop: breaks('dns', `${hostname} has no address here`, { why, next }), addresses: [] };
  }
  const resolved = known.find({ type: 'name', name: hostname });
  if (!resolved) return { hop: undefined, addresses: [] };
  if (isUnseen(resolved)) {
    const address = ingressAddressOf(known);
    const next = address
      ? `give the name a record, or try without: curl --resolve ${hostname}:80:${address} http://${hostname}/`
      : 'give the name a record';
    const why = resolved.isMissing ? 'there is no DNS record for it' : resolved.unseen;
    return resolved.isMissing
      ? { hop: breaks('dns', `${hostname} has no address`, { why, next }), addresses: [] }
      : { hop: unknown('dns', `the address of ${hostname} is not known`, why), addresses: [] };
  }
  const says = `${hostname} is ${fewOf(resolved.addresses)}, says ${resolved.by}`;
  return { hop: passes('dns', says), addresses: resolved.addresses };
}

export const ingressAddressOf = ({ lists }: Known): string | undefined =>
  lists.ingresses.flatMap(({ status }) => status?.loadBalancer?.ingress ?? []).find(({ ip }) => ip)?.ip ??
  lists.gateways.flatMap(({ status }) => status?.addresses ?? [])[0]?.value;
