/** The process `net` of a node: kube-proxy, NetworkPolicy, Ingress, DNS, and routes to the pods of other nodes. Its death takes no pod down, and its rules outlive it. */
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { Node } from '#api/core/v1/node.ts';
import type { Place } from '#api/discovery/v1/usable-endpoints.ts';
import { GATEWAY_CONTROLLER } from '#api/gateway/v1/kedge-gateway.ts';
import { INGRESS_CONTROLLER } from '#api/networking/v1/kedge-ingress.ts';
import type { SocketKeeper } from '#base/socket-keeper.ts';
import type { Client } from '#client/client.ts';
import { EventRecorder } from '#client/event-recorder.ts';
import type { Informers } from '#client/informer.ts';
import { keepUpstreamsCurrent } from '#network/dns/keep-upstreams-current.ts';
import { startDns } from '#network/dns/start-dns.ts';
import { forwardTo } from '#network/dns/upstream.ts';
import { nameserversOf, type Upstreams } from '#network/dns/upstreams.ts';
import { gatewaySource } from '#network/gateway/gateway-source.ts';
import { ingressSource } from '#network/ingress/ingress-source.ts';
import { METRICS_PORT } from '#network/ingress/metrics-server.ts';
import { startIngress } from '#network/ingress/start-ingress.ts';
import { familiesOf, familyOf, type IpFamily } from '#network/netfilter/ip-family.ts';
import type { RunNft } from '#network/netfilter/nft.ts';
import { RuleWatch } from '#network/netfilter/rule-watch.ts';
import { WaitingNft } from '#network/netfilter/waiting-nft.ts';
import { startNetworkPolicy } from '#network/policy/start-network-policy.ts';
import { IPVS_DEPRECATED } from '#network/proxy/ipvs-support.ts';
import { removeOtherModes, rendererOf } from '#network/proxy/modes.ts';
import { startProxy } from '#network/proxy/start-proxy.ts';
import { keepRoutesCurrent } from '#network/routes/keep-routes-current.ts';
import { hostRange } from '#node/machine/address-range.ts';
import { ROUTE_PROTOCOL } from '#node/machine/host-network.ts';
import { run } from '#node/machine/run-command.ts';
import { apiAccess, type ComponentProcess, componentProcess } from './component-process.ts';
import { endEarlierWriters } from './earlier-writers.ts';
import { inheritedSockets } from './inherited-sockets.ts';
import { type NodeConfig, readNodeConfig } from './node-config.ts';
import { selfSigned } from './pki/certificate.ts';
import { systemClock, systemRandom } from './system-clock.ts';

const RESOLV_CONF = '/etc/resolv.conf';
/** One goes on where another ends. */
const LEAST_INGRESS_PROCESSES = 2;

export async function runNet(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options: { config: { type: 'string' } } });
  const config = await readNodeConfig(values.config ?? '');
  const component = componentProcess('net');
  const sockets = inheritedSockets(systemClock);
  await endEarlierWriters(resolve(values.config ?? ''), systemClock);
  const rules: NodeRules = {
    ruleWatch: new RuleWatch({ clock: systemClock, log: component.log, signal: component.signal }),
    nft: new WaitingNft({ clock: systemClock, signal: component.signal }).run,
  };
  const proxy = startNodeProxy(component, config, rules);
  const parts = [startNodePolicy(component, config, rules), proxy];
  await Promise.all([...parts.map(({ ready }) => ready), startNodeDns(component, config, sockets)]);
  await startNodeIngress(component, config, { sockets: await sockets, place: proxy.place });
  component.log.info('kube-proxy, network policies and DNS run', { node: config.nodeName, dns: config.dnsAddresses });
  await component.untilTold();
  await Promise.all(parts.map(({ stopped }) => stopped));
  process.exit(0);
}

/** What kube-proxy and policies share. */
interface NodeRules {
  ruleWatch: RuleWatch;
  nft: RunNft;
}

function startNodePolicy(component: ComponentProcess, config: NodeConfig, rules: NodeRules) {
  const { credentialsDir, nodeName, podRanges } = config;
  const { log, signal } = component;
  const access = { folder: credentialsDir, file: 'network-policy.conf', userAgent: 'kedge-network-policy' };
  const { informers } = apiAccess(component, access);
  const tables = familiesOf(podRanges).map((family) => ({ family, podRanges: ofFamily(family, podRanges) }));
  return startNetworkPolicy({ nodeName, informers, clock: systemClock, log, signal, tables, ...rules });
}

function startNodeProxy(component: ComponentProcess, config: NodeConfig, { ruleWatch, nft }: NodeRules) {
  const { log, signal } = component;
  const access = { folder: config.credentialsDir, userAgent: 'kube-proxy' };
  const { client, informers: proxy } = apiAccess(component, { ...access, file: 'kube-proxy.conf' });
  // hostPort is kept here, and only the node itself may read its pods: upstream's kube-proxy has no right to pods.
  const node = apiAccess(component, { ...access, file: 'kubelet.conf' }).informers;
  const informers: Informers = {
    for: (kind, scope) => (kind.plural === 'pods' ? node : proxy).for(kind, scope),
    identities: (kind) => proxy.identities(kind),
    indexed: (kind, indexKeys, of) => proxy.indexed(kind, indexKeys, of),
    synced: async (until) => void (await Promise.all([proxy.synced(until), node.synced(until)])),
  };
  const { clusterPodRanges: podRanges, serviceRanges, dnsAddresses: ownAddresses } = config;
  const routed = keepRoutesCurrent({
    nodeName: config.nodeName,
    clusterPodRanges: podRanges,
    ownPodRanges: config.podRanges,
    informers: proxy,
    clock: systemClock,
    log,
    signal,
    protocol: ROUTE_PROTOCOL,
    ...(config.overlay && { overlay: { ...config.overlay, address: config.addresses[0] ?? '' } }),
  });
  const mode = config.proxyMode ?? 'nftables';
  if (mode === 'ipvs') tellDeprecated(component, client, config.nodeName);
  const tables = familiesOf(podRanges).map((family) => ({
    family,
    podRanges: ofFamily(family, podRanges),
    serviceRanges: ofFamily(family, serviceRanges),
    ownAddresses: ofFamily(family, ownAddresses),
  }));
  const running = startProxy({
    nodeName: config.nodeName,
    informers,
    clock: systemClock,
    log,
    signal,
    tables,
    ruleWatch,
    renderer: (table) => rendererOf(mode, table, { ipvsScheduler: config.ipvsScheduler, nft }),
  });
  // Only when this mode's rules are in force: there is no moment without any.
  const ready = running.ready
    .then(() => removeOtherModes(mode, tables))
    .catch((error: unknown) => log.warn('rules of another mode may be left', { error: String(error) }));
  const { nodeName } = config;
  const nodes = proxy.for(Node);
  const place = (): Place => ({
    nodeName,
    zone: nodes.get(nodeName)?.metadata.labels?.['topology.kubernetes.io/zone'],
  });
  return { ready, place, stopped: Promise.all([running.stopped, routed]) };
}

/** As upstream's does when it starts. Source: kube-proxy v1.36, `createProxier`. */
function tellDeprecated({ log, signal }: ComponentProcess, client: Client, name: string): void {
  log.error(IPVS_DEPRECATED);
  const about = { kind: 'Node', name, uid: name };
  const speaker = { component: 'kube-proxy', host: name, clock: systemClock, random: systemRandom };
  new EventRecorder({ client, ...speaker, log, signal }).warning(about, 'IPVSDeprecation', IPVS_DEPRECATED);
}

const ofFamily = (family: IpFamily, addresses: readonly string[]): string[] =>
  addresses.filter((address) => familyOf(address) === family);

async function startNodeDns(
  component: ComponentProcess,
  config: NodeConfig,
  kept: Promise<SocketKeeper>,
): Promise<void> {
  const { log, signal } = component;
  const { informers } = apiAccess(component, {
    folder: config.credentialsDir,
    file: 'dns.conf',
    userAgent: 'kedge-dns',
  });
  const { dnsAddresses: addresses, clusterDomain: domain } = config;
  await answerAt(addresses);
  const ofNode = nameserversOf(RESOLV_CONF, addresses);
  let upstreams = (): Upstreams => ({ resolvers: ofNode, stubs: new Map() });
  const forward = forwardTo(() => upstreams(), systemClock);
  await startDns({ informers, domain, addresses, sockets: await kept, forward, log, signal });
  // The cluster's own names do not wait for the settings of the others'.
  upstreams = keepUpstreamsCurrent({ informers, ofNode, log, signal });
}

/** Every node answers at these addresses itself. */
async function answerAt(addresses: readonly string[]): Promise<void> {
  for (const address of addresses) await run(['ip', 'address', 'replace', hostRange(address), 'dev', 'lo']);
}

async function startNodeIngress(
  component: ComponentProcess,
  config: NodeConfig,
  { sockets, place }: { sockets: SocketKeeper; place: () => Place },
): Promise<void> {
  const { log, signal } = component;
  const access = { folder: config.credentialsDir, file: 'ingress.conf', userAgent: 'kedge-ingress' };
  await answerAt(config.ingressAddresses);
  const { informers } = apiAccess(component, access);
  // The kinds of Gateways may be missing: what waits for them must not hold up Ingresses.
  const ofGateways = apiAccess(component, access).informers;
  await startIngress({
    sources: [
      ingressSource({ controller: INGRESS_CONTROLLER, informers, signal }),
      gatewaySource({ controller: GATEWAY_CONTROLLER, informers: ofGateways, signal }),
    ],
    informers,
    place,
    metricsAt: { host: config.addresses[0] ?? '127.0.0.1', port: METRICS_PORT },
    clock: systemClock,
    log,
    signal,
    program: [process.argv[1] ?? '', 'ingress-worker'],
    count: Math.max(LEAST_INGRESS_PROCESSES, Math.floor(availableParallelism() / 2)),
    addresses: config.ingressAddresses,
    sockets,
    fallbackCertificate: () => fallbackCertificate(systemClock.now()),
  });
}

const YEARS_10_MS = 10 * 365 * 24 * 3_600_000;

/** Of nobody: a browser warns of it, and then still sees what is behind. */
const fallbackCertificate = (nowMs: number) =>
  selfSigned({
    commonName: 'Kubernetes Ingress Controller Fake Certificate',
    organizations: ['Acme Co'],
    names: ['ingress.local'],
    usage: 'server',
    notBeforeMs: nowMs - 60_000,
    notAfterMs: nowMs + YEARS_10_MS,
  });
