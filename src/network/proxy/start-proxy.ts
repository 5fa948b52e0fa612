/**
 * kube-proxy of one node: keeps the node's nftables equal to what Services, EndpointSlices and host ports say. Level-driven:
 * a change only names the Service to look at again. Changes that arrive while nft runs go together in the next transaction.
 */
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { Service } from '#api/core/v1/service.ts';
import { EndpointSlice, serviceKeyOf } from '#api/discovery/v1/endpoint-slice.ts';
import type * as schema from '#api/generated/schema.ts';
import { keyOf } from '#api/machinery/object.ts';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { IndexedInformer, Informer, Informers } from '#client/informer.ts';
import { ApplyLoop } from '#network/netfilter/apply-loop.ts';
import type { FillTable, FindDifferences, HasRules, RunNft } from '#network/netfilter/nft.ts';
import type { RuleWatch } from '#network/netfilter/rule-watch.ts';
import { type FlowPort, type ListFlows, listFlows, nodeIPs, type RunConntrack, runConntrack } from './conntrack.ts';
import { FrontOwners } from './front-owners.ts';
import { type Wanted, wantedOf } from './fronts.ts';
import { HealthChecks, healthCheckPortOf } from './health-checks.ts';
import { flowPortsOf, hasHostPorts, hostPortsOf } from './host-ports.ts';
import { LostEndpoints } from './lost-endpoints.ts';
import { NftRenderer } from './nft-renderer.ts';
import type { ListSets } from './remembered-clients.ts';
import type { Renderer } from './renderer.ts';
import type { TableContext } from './ruleset.ts';
import { type ProxyView, type ServicePort, servicePortsOf } from './service-port.ts';
import { UdpFlows } from './udp-flows.ts';

const ZONE = 'topology.kubernetes.io/zone';
/** What is marked: `service default/web`, `pod default/web-0`. */
const [SERVICE, POD] = ['service ', 'pod '];

export interface ProxyOptions {
  nodeName: string;
  informers: Informers;
  clock: Clock;
  log: Log;
  signal: AbortSignal;
  /** One table for each address family that the cluster has. */
  tables: readonly TableContext[];
  /** undefined: nftables. */
  renderer?: (table: TableContext) => Renderer;
  /** Tells of rules that others remove; undefined: they are missed at the next look. */
  ruleWatch?: RuleWatch;
  /** For tests. */
  nft?: RunNft;
  fillTable?: FillTable;
  hasRules?: HasRules;
  findDifferences?: FindDifferences;
  listSets?: ListSets;
  conntrack?: RunConntrack;
  listFlows?: ListFlows;
  nodeIPs?: () => ReadonlySet<string>;
}

export interface Proxy {
  /** Resolves when the rules hold all that was known at the start. */
  ready: Promise<void>;
  /** Resolves when the last transaction has ended, after `signal` aborted. The rules stay: traffic survives a restart. */
  stopped: Promise<void>;
}

export function startProxy(options: ProxyOptions): Proxy {
  const loops = options.tables.map((table) => new FamilyProxy(options, table));
  const stopped = Promise.all(loops.map((loop) => loop.run())).then(() => undefined);
  const ready = Promise.all(loops.map((loop) => loop.ready)).then(() => undefined);
  return { ready, stopped };
}

class FamilyProxy {
  readonly ready: Promise<void>;
  readonly #options: ProxyOptions;
  readonly #context: TableContext;
  readonly #owners = new FrontOwners();
  readonly #renderer: Renderer;
  readonly #udpFlows: UdpFlows;
  readonly #lostEndpoints: LostEndpoints;
  readonly #healthChecks: HealthChecks;
  readonly #loop: ApplyLoop;
  readonly #lookUp: LookUp;

  constructor(options: ProxyOptions, context: TableContext) {
    const { informers, nodeName, clock, log, signal, conntrack = runConntrack } = options;
    this.#options = options;
    this.#context = context;
    this.#renderer = options.renderer?.(context) ?? new NftRenderer(context, options);
    this.#udpFlows = new UdpFlows(context.family, {
      conntrack,
      listFlows: options.listFlows ?? listFlows,
      nodeIPs: options.nodeIPs ?? nodeIPs,
      log,
    });
    this.#lostEndpoints = new LostEndpoints(context.family, { conntrack, log });
    this.#healthChecks = new HealthChecks(log);
    const services = informers.for(Service);
    const slices = informers.indexed(EndpointSlice, serviceKeyOf);
    const pods = informers.for(Pod, { fieldSelector: `spec.nodeName=${nodeName}` });
    this.#lookUp = { services, slices, pods, nodes: informers.for(Node) };
    this.#loop = new ApplyLoop({
      clock,
      log,
      signal,
      apply: (marked) => this.#apply(marked),
      forget: () => this.#renderer.forget(),
      isInForce: () => this.#renderer.isInForce(),
      differences: (signal) => this.#renderer.differences(signal),
    });
    options.ruleWatch?.onRemoval(this.#renderer.witnesses, () => this.#loop.look());
    this.ready = this.#loop.ready;
  }

  async run(): Promise<void> {
    const { informers, signal } = this.#options;
    const { services, slices, pods, nodes } = this.#lookUp;
    const loop = this.#loop;
    const stops = [
      services.onChange(({ key }) => loop.mark(SERVICE + key)),
      slices.onChange(({ now, before }) => {
        this.#lostEndpoints.note(before, now);
        loop.mark(...serviceMarks(now, before));
      }),
      pods.onChange(({ key, now, before }) => {
        if (hasHostPorts(now) || hasHostPorts(before)) loop.mark(POD + key);
      }),
      nodes.onChange(({ key, now, before }) => {
        if (key !== this.#options.nodeName || now?.metadata.labels?.[ZONE] === before?.metadata.labels?.[ZONE]) return;
        for (const service of services.list()) loop.mark(SERVICE + keyOf(service));
      }),
    ];
    try {
      await informers.synced(signal); // rules from half a picture would refuse what is there
      for (const service of services.list()) loop.mark(SERVICE + keyOf(service));
      for (const pod of pods.list().filter(hasHostPorts)) loop.mark(POD + keyOf(pod));
      await loop.run();
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      for (const stop of stops) stop();
      this.#healthChecks.close();
    }
  }

  #view(): ProxyView {
    const { nodeName } = this.#options;
    const zone = this.#lookUp.nodes.get(nodeName)?.metadata.labels?.[ZONE];
    return { nodeName, zone, family: this.#context.family };
  }

  #portsOf(service: schema.Service, key: string, view: ProxyView): ServicePort[] {
    const all = servicePortsOf(service, this.#lookUp.slices.under(key), view);
    const isAnswered = ({ clusterIPs }: ServicePort) => this.#answersItself(clusterIPs);
    return all.some(isAnswered) ? all.filter((port) => !isAnswered(port)) : all;
  }

  async #apply(keys: Iterable<string>): Promise<void> {
    const wanted = new Map<string, Wanted | undefined>();
    const ports = new Map<string, ServicePort[]>();
    const flowing = new Map<string, readonly FlowPort[]>();
    const view = this.#view();
    for (const key of keys) {
      if (key.startsWith(POD)) {
        const pod = this.#lookUp.pods.get(key.slice(POD.length));
        const hostPorts = pod && hostPortsOf(pod, this.#context.family);
        wanted.set(key, hostPorts);
        flowing.set(key, flowPortsOf(hostPorts));
        continue;
      }
      const name = key.slice(SERVICE.length);
      const service = this.#lookUp.services.get(name);
      const found = service && this.#portsOf(service, name, view);
      if (this.#isFollowedUp(name, service, found)) {
        ports.set(name, found ?? []);
        flowing.set(key, found ?? []);
      }
      wanted.set(key, found && wantedOf(found, service.metadata.creationTimestamp));
    }
    const { changes, applied } = this.#owners.settle(wanted);
    const forgetLost = this.#lostEndpoints.taken();
    await this.#renderer.put(changes);
    applied();
    forgetLost();
    for (const [key, found] of ports) this.#answerHealthChecks(key, found);
    await this.#udpFlows.follow(flowing);
  }

  /** Whether more than the rules is to be done for a Service: for few among thousands, so that no other is kept until then. */
  #isFollowedUp(key: string, service: schema.Service | undefined, ports: readonly ServicePort[] = []): boolean {
    return (
      this.#healthChecks.has(key) ||
      this.#udpFlows.has(SERVICE + key) ||
      this.#healthCheckPortOf(service) !== undefined ||
      ports.some(({ protocol }) => protocol === 'udp')
    );
  }

  /** Not before its traffic would arrive. */
  #answerHealthChecks(key: string, ports: readonly ServicePort[]): void {
    const port = this.#healthCheckPortOf(this.#lookUp.services.get(key));
    if (port === undefined) {
      this.#healthChecks.remove(key);
      return;
    }
    const [namespace = '', name = ''] = key.split('/');
    const count = new Set(ports.flatMap(({ readyLocalIPs }) => readyLocalIPs)).size;
    this.#healthChecks.put(key, port, { namespace, name, count });
  }

  /** A Service is answered for once, with the first family of its addresses. */
  #healthCheckPortOf(service: schema.Service | undefined): number | undefined {
    const port = service && healthCheckPortOf(service);
    return service?.spec.ipFamilies?.[0]?.toLowerCase() === this.#context.family ? port : undefined;
  }

  #answersItself(clusterIPs: readonly string[]): boolean {
    return clusterIPs.length > 0 && clusterIPs.every((ip) => this.#context.ownAddresses.includes(ip));
  }
}

interface LookUp {
  services: Informer<schema.Service>;
  slices: IndexedInformer<schema.EndpointSlice>;
  pods: Informer<schema.Pod>;
  nodes: Informer<schema.Node>;
}

const serviceMarks = (...slices: (schema.EndpointSlice | undefined)[]): string[] =>
  slices.flatMap((slice) => {
    const key = slice && serviceKeyOf(slice);
    return key ? [SERVICE + key] : [];
  });
