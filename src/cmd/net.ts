/** The process `net` of a node: kube-proxy, NetworkPolicy, DNS, and routes to the pods of other nodes. Its death takes no pod down, and its rules outlive it. */
import { parseArgs } from 'node:util';
import type { Informers } from '#client/informer.ts';
import { startDns } from '#network/dns/start-dns.ts';
import { forwardTo, nameserversOf } from '#network/dns/upstream.ts';
import { startNetworkPolicy } from '#network/policy/start-network-policy.ts';
import { startProxy } from '#network/proxy/start-proxy.ts';
import { keepRoutesCurrent } from '#network/routes/keep-routes-current.ts';
import { ROUTE_PROTOCOL } from '#node/machine/host-network.ts';
import { run } from '#node/machine/run-command.ts';
import { apiAccess, type ComponentProcess, componentProcess } from './component-process.ts';
import { type NodeConfig, readNodeConfig } from './node-config.ts';
import { systemClock } from './system-clock.ts';

const RESOLV_CONF = '/etc/resolv.conf';

export async function runNet(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options: { config: { type: 'string' } } });
  const config = await readNodeConfig(values.config ?? '');
  const component = componentProcess('net');
  const parts = [startNodePolicy(component, config), startNodeProxy(component, config)];
  await Promise.all([...parts.map(({ ready }) => ready), startNodeDns(component, config)]);
  component.log.info('kube-proxy, network policies and DNS run', { node: config.nodeName, dns: config.dnsAddresses });
  await component.untilTold();
  await Promise.all(parts.map(({ stopped }) => stopped));
  process.exit(0);
}

function startNodePolicy(component: ComponentProcess, { credentialsDir, nodeName, podRanges }: NodeConfig) {
  const { log, signal } = component;
  const access = { folder: credentialsDir, file: 'network-policy.conf', userAgent: 'kedge-network-policy' };
  const { informers } = apiAccess(component, access);
  const tables = [{ family: 'ipv4' as const, podRanges }];
  return startNetworkPolicy({ nodeName, informers, clock: systemClock, log, signal, tables });
}

function startNodeProxy(component: ComponentProcess, config: NodeConfig) {
  const { log, signal } = component;
  const access = { folder: config.credentialsDir, userAgent: 'kube-proxy' };
  const proxy = apiAccess(component, { ...access, file: 'kube-proxy.conf' }).informers;
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
  });
  const running = startProxy({
    nodeName: config.nodeName,
    informers,
    clock: systemClock,
    log,
    signal,
    tables: [{ family: 'ipv4', podRanges, serviceRanges, ownAddresses }],
  });
  return { ready: running.ready, stopped: Promise.all([running.stopped, routed]) };
}

async function startNodeDns(component: ComponentProcess, config: NodeConfig): Promise<void> {
  const { log, signal } = component;
  const { informers } = apiAccess(component, {
    folder: config.credentialsDir,
    file: 'dns.conf',
    userAgent: 'kedge-dns',
  });
  const { dnsAddresses: addresses, clusterDomain: domain } = config;
  for (const address of addresses) await run(['ip', 'address', 'replace', `${address}/32`, 'dev', 'lo']);
  const forward = forwardTo(nameserversOf(RESOLV_CONF, addresses), systemClock);
  await startDns({ informers, domain, addresses, forward, log, signal });
}
