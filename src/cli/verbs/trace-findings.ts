/** Reads what a trace wants to know: from the API with the user's rights, from this machine's resolver, from nodes through the API. */
import { promises as dns } from 'node:dns';
import { networkInterfaces } from 'node:os';
import type { Event, IngressClass, Secret } from '#api/generated/schema.ts';
import type { NetworkFacts } from '#api/kedge/v1alpha1/network-facts.ts';
import { isInRange } from '#api/machinery/ip.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { StatusError } from '#api/machinery/status.ts';
import { INGRESS_CLASS, INGRESS_CONTROLLER } from '#api/networking/v1/kedge-ingress.ts';
import type { ClusterLists, KeyPairText, LoopbackPort, Resolved, Unseen, Want } from '#network/trace/known.ts';
import type { ClusterApi } from './cluster-api.ts';

const DOMAIN = 'cluster.local';
/** For users who may not see which classes there are: as every cluster begins. */
const USUAL_CLASS = { metadata: { name: INGRESS_CLASS }, spec: { controller: INGRESS_CONTROLLER } } as IngressClass;

/** What every trace looks at. Where the user may not see all namespaces, those of one. */
export async function clusterLists(cluster: ClusterApi, loopback: readonly LoopbackPort[], nowMs: number) {
  const hidden: string[] = [];
  const list = async <T extends KubeObject>(group: string, plural: string, isNamespaced = true): Promise<T[]> => {
    const base = group === 'v1' ? '/api/v1' : `/apis/${group}`;
    const own = `${base}/namespaces/${encodeURIComponent(cluster.namespace)}/${plural}`;
    for (const path of [`${base}/${plural}`, ...(isNamespaced ? [own] : [])]) {
      try {
        return (await cluster.get<{ items: T[] }>(path)).items;
      } catch (error) {
        if (!(error instanceof StatusError) || (error.code !== 403 && error.code !== 404)) throw error;
        if (error.code === 403)
          hidden.push(
            group.startsWith('gateway.')
              ? 'Gateways'
              : path === own
                ? `${plural} of ${cluster.namespace}`
                : `all ${plural}`,
          );
      }
    }
    return [];
  };
  const gateway = 'gateway.networking.k8s.io/v1';
  const ofGatewayApi = Promise.all([
    list<ClusterLists['gateways'][number]>(gateway, 'gateways'),
    list<ClusterLists['gatewayClasses'][number]>(gateway, 'gatewayclasses', false),
    list<ClusterLists['routes'][number]>(gateway, 'httproutes'),
    list<ClusterLists['routes'][number]>(gateway, 'grpcroutes'),
    list<ClusterLists['grants'][number]>('gateway.networking.k8s.io/v1beta1', 'referencegrants'),
  ]);
  const ofOthers = Promise.all([
    list<ClusterLists['services'][number]>('v1', 'services'),
    list<ClusterLists['slices'][number]>('discovery.k8s.io/v1', 'endpointslices'),
    list<ClusterLists['ingresses'][number]>('networking.k8s.io/v1', 'ingresses'),
    list<ClusterLists['classes'][number]>('networking.k8s.io/v1', 'ingressclasses', false),
    list<ClusterLists['nodes'][number]>('v1', 'nodes', false),
    list<ClusterLists['namespaces'][number]>('v1', 'namespaces', false),
    list<ClusterLists['policies'][number]>('networking.k8s.io/v1', 'networkpolicies'),
  ]);
  // Waited for together: where nobody answers, both fail.
  const [[gateways, gatewayClasses, http, grpc, grants], others] = await Promise.all([ofGatewayApi, ofOthers]);
  const [services, slices, ingresses, classes, nodes, namespaces, policies] = others;
  const dnsService = services.find(
    ({ metadata }) => metadata.namespace === 'kube-system' && metadata.name === 'kube-dns',
  );
  const dnsAddresses = dnsService?.spec.clusterIPs ?? [];
  const lists: ClusterLists = {
    ...{
      gateways,
      gatewayClasses,
      grants,
      routes: [...http.map(asKind('HTTPRoute')), ...grpc.map(asKind('GRPCRoute'))],
    },
    ...{ domain: DOMAIN, dnsAddresses, nowMs, loopback },
    ...{ services, slices, ingresses, nodes, namespaces, policies },
    classes: hidden.includes('all ingressclasses') ? [USUAL_CLASS] : classes,
  };
  return { lists, hidden };
}

/** Whether or not the items of a list say it. */
const asKind =
  (kind: 'HTTPRoute' | 'GRPCRoute') =>
  (route: ClusterLists['routes'][number]): ClusterLists['routes'][number] =>
    ({ ...route, kind }) as ClusterLists['routes'][number];

/** Of this machine, on the network that its nodes are on. */
export function hostAddressNear({ nodes }: Pick<ClusterLists, 'nodes'>): string | undefined {
  const addresses = nodes.flatMap(({ status }) => (status?.addresses ?? []).map(({ address }) => address));
  const own = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  return own.find(({ cidr }) => cidr && addresses.some((address) => isInRange(cidr, address)))?.address;
}

/** What is not to be had is an answer too. */
export async function answerTo(want: Want, cluster: ClusterApi): Promise<unknown> {
  if (want.type === 'name') return resolved(want.name);
  try {
    return await fromApi(want, cluster);
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    return { unseen: unseenText(error, want), isMissing: error.code === 404 } satisfies Unseen;
  }
}

async function fromApi(want: Exclude<Want, { type: 'name' }>, cluster: ClusterApi): Promise<unknown> {
  const part = encodeURIComponent;
  switch (want.type) {
    case 'secret': {
      const { data = {} } = await cluster.get<Secret>(
        `/api/v1/namespaces/${part(want.namespace)}/secrets/${part(want.name)}`,
      );
      const text = (key: string) => Buffer.from(data[key] ?? '', 'base64').toString('utf8');
      return { certificate: text('tls.crt'), key: text('tls.key') } satisfies KeyPairText;
    }
    case 'pods': {
      const path = want.namespace ? `/api/v1/namespaces/${part(want.namespace)}/pods` : '/api/v1/pods';
      return (await cluster.get<{ items: object[] }>(path)).items;
    }
    case 'events': {
      const query = new URLSearchParams({ fieldSelector: `involvedObject.kind=Pod,involvedObject.name=${want.pod}` });
      return (await cluster.get<{ items: Event[] }>(`/api/v1/namespaces/${part(want.namespace)}/events?${query}`))
        .items;
    }
    case 'node': {
      const query = new URLSearchParams({
        ...(want.pod && { pod: want.pod }),
        ...(want.front && { front: want.front }),
      });
      return cluster.get<NetworkFacts>(`/api/v1/nodes/${part(want.node)}/proxy/debug/network?${query}`);
    }
  }
}

function unseenText({ code, message }: StatusError, want: Want): string {
  if (code === 403) return want.type === 'node' ? 'needs the right to get nodes/proxy' : 'not allowed to see it';
  if (code === 404 && want.type === 'node') return 'the node does not tell';
  return message;
}

/** As any program of this machine would have it: hosts file, then DNS. */
async function resolved(name: string): Promise<Resolved | Unseen> {
  try {
    const found = await dns.lookup(name, { all: true });
    return { addresses: found.map(({ address }) => address), by: "this machine's resolver" };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return { unseen: code ?? message, isMissing: code === 'ENOTFOUND' || code === 'ENODATA' };
  }
}
