/**
 * A Service takes its cluster addresses and node ports in the transaction that stores it, and gives them back in the
 * one that removes it: each address is the key of an IPAddress object, each node port a key of its own, so that two
 * servers never give out the same, and nothing is lost by a crash in between. Source: KEP-1880, KEP-3070; texts of
 * upstream's allocators.
 */

import { validateFamilies } from '#api/core/v1/service/families.ts';
import {
  needsClusterIp,
  needsHealthCheckPort,
  needsNodePort,
  withAllocatedValues,
  withoutFieldsOfOtherType,
} from '#api/core/v1/service/type-change.ts';
import { Service } from '#api/core/v1/service.ts';
import type { ServiceSpec } from '#api/generated/schema.ts';
import { type FieldError, invalidValue } from '#api/machinery/field-error.ts';
import { root } from '#api/machinery/field-path.ts';
import { internalError, invalid } from '#api/machinery/status.ts';
import { IPAddress } from '#api/networking/v1/ip-address.ts';
import { ServiceCIDR } from '#api/networking/v1/service-cidr.ts';
import { type AddressRange, addressRange, candidates, type IpFamily } from './address-range.ts';
import type { Behaviour, BehaviourContext, Prepared } from './behaviour.ts';
import { ipAddressFor, ipAddressKey, ipAddressName, nodePortKey, nodePortValue } from './service-claims.ts';
import { familiesOf, HEADLESS, heldAddresses, heldNodePorts, withSyncedClusterIps } from './service-fields.ts';
import { proxyService } from './service-proxy.ts';
import type { Alongside } from './stored-objects.ts';

export interface ServiceRanges {
  /** The primary family first; one or two. */
  clusterIps: readonly string[];
  nodePorts: { from: number; to: number };
}

export function serviceBehaviour(ranges: ServiceRanges): Behaviour<Service> {
  const allocator = new Allocator(ranges);
  return {
    group: '',
    plural: 'services',
    returnsDeleted: true,
    beforeCreate: (service, context) => allocator.prepare(service, undefined, context),
    beforeUpdate: (next, current, context) => allocator.prepare(next, current, context),
    onRemove: ({ spec }) => release(heldAddresses(spec), heldNodePorts(spec)),
    subresources: { proxy: { '*': proxyService } },
  };
}

class Allocator {
  /** Those that this server was started with. */
  readonly #own: readonly AddressRange[];
  readonly #families: readonly IpFamily[];
  readonly #known = new Map<string, AddressRange>();
  readonly #nodePorts: ServiceRanges['nodePorts'];

  constructor({ clusterIps, nodePorts }: ServiceRanges) {
    this.#own = clusterIps.map(addressRange);
    this.#families = [...new Set(this.#own.map(({ family }) => family))];
    this.#nodePorts = nodePorts;
  }

  /** Throws Invalid for what was asked for and is not to be had, InternalError when a range is full. */
  async prepare(next: Service, current: Service | undefined, context: BehaviourContext): Promise<Prepared<Service>> {
    const before = current?.spec;
    const synced = { ...next, spec: withSyncedClusterIps(next.spec, before) };
    const kept = current ? withoutFieldsOfOtherType(withAllocatedValues(synced, current), current) : synced;
    const unfit = validateFamilies(kept, root<Service>(), current);
    if (unfit.length > 0) throw refused(kept, unfit);
    const service = withFamilies(kept, before, this.#families);
    const asksForPorts = needsNodePort(service.spec) || heldNodePorts(service.spec).length > 0;
    const inUse = asksForPorts ? await portsInUse(context) : new Set<number>();
    const addressed = await this.#withAddresses(service, before, context);
    const spec = this.#withNodePorts({ ...service, spec: addressed }, before, { ...context, inUse });
    const object = { ...service, spec };
    return { object, alongside: claims(object, before, context) };
  }

  /** Its own first, then those of ServiceCIDRs that are ready and stay, by name. */
  async #ranges({ services }: BehaviourContext): Promise<readonly AddressRange[]> {
    const { items } = await services.caches.of(ServiceCIDR).list({ freshness: 'any' });
    const cidrs = items
      .map((item) => item.object() as unknown as ServiceCIDR)
      .filter(isInService)
      .flatMap(({ spec }) => spec.cidrs ?? []);
    const own = new Set(this.#own.map(({ cidr }) => cidr));
    const others = [...new Set(cidrs)].filter((cidr) => !own.has(cidr));
    return [...this.#own, ...others.map((cidr) => this.#rangeOf(cidr))];
  }

  #rangeOf(cidr: string): AddressRange {
    const range = this.#known.get(cidr) ?? addressRange(cidr);
    this.#known.set(cidr, range);
    return range;
  }

  async #withAddresses(service: Service, before: ServiceSpec | undefined, context: BehaviourContext) {
    const { spec } = service;
    if (!needsClusterIp(spec)) return spec;
    if (spec.clusterIP === HEADLESS) return { ...spec, clusterIPs: [HEADLESS] };
    const held = new Set(heldAddresses(before));
    const wanted = heldAddresses(spec);
    const clusterIPs = [...wanted];
    const open = (spec.ipFamilies ?? []).slice(clusterIPs.length);
    if (open.length === 0 && wanted.every((ip) => held.has(ip)))
      return { ...spec, clusterIP: clusterIPs[0], clusterIPs };
    const isTaken = (ip: string) => addressTaken(ip, context);
    const ranges = await this.#ranges(context);
    for (const ip of wanted) if (!held.has(ip)) await refuseUnavailable(service, ip, { ranges, isTaken });
    for (const family of open) {
      const ofFamily = ranges.filter((one) => one.family === family);
      if (ofFamily.length > 0) clusterIPs.push(await freeAddress(service, ofFamily, { isTaken, context }));
    }
    return { ...spec, clusterIP: clusterIPs[0], clusterIPs };
  }

  #withNodePorts(
    service: Service,
    before: ServiceSpec | undefined,
    context: BehaviourContext & { inUse: Set<number> },
  ) {
    const { spec } = service;
    const held = new Set(heldNodePorts(before));
    const errors: FieldError[] = [];
    const check = (port: number, at: string) => {
      if (held.has(port)) return;
      const why = this.#complaintOf(port, context.inUse);
      if (why) errors.push(invalidValue(at, port, why));
    };
    spec.ports?.forEach(({ nodePort }, index) => {
      if (nodePort) check(nodePort, `spec.ports[${index}].nodePort`);
    });
    if (errors.length > 0) throw refused(service, errors);
    this.#refuseHealthPort(spec, before, context.inUse);
    const chosen = new Set(heldNodePorts(spec));
    const next = () => this.#freeNodePort(new Set([...context.inUse, ...chosen]), context);
    const ports = needsNodePort(spec) ? withChosenPorts(spec.ports ?? [], chosen, next) : spec.ports;
    const health = needsHealthCheckPort(spec) && !spec.healthCheckNodePort ? { healthCheckNodePort: next() } : {};
    return { ...spec, ...(ports && { ports }), ...health };
  }

  /** One that changes while it is needed is refused by the rules of updates. */
  #refuseHealthPort(spec: ServiceSpec, before: ServiceSpec | undefined, inUse: Set<number>): void {
    const { healthCheckNodePort: port } = spec;
    if (!port || !needsHealthCheckPort(spec) || (before && needsHealthCheckPort(before))) return;
    const why = heldNodePorts(before).includes(port) ? undefined : this.#complaintOf(port, inUse);
    if (why) throw internalError(`failed to allocate requested HealthCheck NodePort ${port}: ${why}`);
  }

  #complaintOf(port: number, inUse: Set<number>): string | undefined {
    const { from, to } = this.#nodePorts;
    if (port < from || port > to)
      return `provided port is not in the valid range. The range of valid ports is ${from}-${to}`;
    return inUse.has(port) ? 'provided port is already allocated' : undefined;
  }

  #freeNodePort(taken: ReadonlySet<number>, { services }: BehaviourContext): number {
    const { from, to } = this.#nodePorts;
    for (const index of candidates(BigInt(to - from + 1), services.random)) {
      const port = from + Number(index);
      if (!taken.has(port)) return port;
    }
    throw internalError('failed to allocate a nodePort: range is full');
  }
}

const refused = (service: Service, errors: FieldError[]) =>
  invalid({ group: '', kind: 'Service' }, service.metadata.name, errors);

function withFamilies(service: Service, before: ServiceSpec | undefined, available: readonly IpFamily[]): Service {
  const families = familiesOf(service, before, available);
  if (Array.isArray(families)) throw refused(service, families);
  return families ? { ...service, spec: { ...service.spec, ...families } } : service;
}

/** The same number for the same port in another protocol: DNS is one Service with one node port. */
function withChosenPorts(ports: NonNullable<ServiceSpec['ports']>, chosen: Set<number>, next: () => number) {
  const done: typeof ports = [];
  for (const port of ports) {
    if (port.nodePort) {
      done.push(port);
      continue;
    }
    const twin = [...done, ...ports].find(
      (other) => other.nodePort && other.port === port.port && other.protocol !== port.protocol,
    );
    const isFree =
      twin && ![...done, ...ports].some((o) => o.nodePort === twin.nodePort && o.protocol === port.protocol);
    const nodePort = isFree ? twin.nodePort! : next();
    chosen.add(nodePort);
    done.push({ ...port, nodePort });
  }
  return done;
}

const isInService = ({ metadata, status }: ServiceCIDR): boolean =>
  metadata.deletionTimestamp === undefined &&
  (status?.conditions ?? []).some(({ type, status: is }) => type === 'Ready' && is === 'True');

async function refuseUnavailable(
  service: Service,
  ip: string,
  { ranges, isTaken }: { ranges: readonly AddressRange[]; isTaken: (ip: string) => Promise<boolean> },
): Promise<void> {
  const range = ranges.find((one) => one.encloses(ip));
  const why = !range
    ? 'the provided network does not match the current range'
    : !range.contains(ip)
      ? `the provided IP (${ip}) is not in the valid range. The range of valid IPs is ${range.cidr}`
      : (await isTaken(ip)) && 'provided IP is already allocated';
  if (!why) return;
  throw refused(service, [
    invalidValue('spec.clusterIPs', service.spec.clusterIPs ?? [ip], `failed to allocate IP ${ip}: ${why}`),
  ]);
}

async function freeAddress(
  { metadata }: Service,
  ranges: readonly AddressRange[],
  { isTaken, context }: { isTaken: (ip: string) => Promise<boolean>; context: BehaviourContext },
) {
  for (const range of ranges)
    for (const index of candidates(range.size, context.services.random)) {
      const ip = range.at(index);
      if (!(await isTaken(ip))) return ip;
    }
  throw internalError(`failed to allocate a serviceIP for Service ${JSON.stringify(metadata.name)}: range is full`);
}

async function addressTaken(ip: string, { services }: BehaviourContext): Promise<boolean> {
  return (await services.stored.peek(IPAddress, { name: ipAddressName(ip) })) !== undefined;
}

async function portsInUse({ services }: BehaviourContext): Promise<Set<number>> {
  const { items } = await services.caches.of(Service).list({ freshness: 'newest' });
  return new Set(items.flatMap((item) => heldNodePorts((item.object() as unknown as Service).spec)));
}

/** Takes what is new, gives back what is left behind. */
function claims(service: Service, before: ServiceSpec | undefined, context: BehaviourContext): Alongside {
  const [heldIps, heldPorts] = [heldAddresses(before), heldNodePorts(before)];
  const [ips, ports] = [heldAddresses(service.spec), heldNodePorts(service.spec)];
  const newIps = ips.filter((ip) => !heldIps.includes(ip));
  const newPorts = ports.filter((port) => !heldPorts.includes(port));
  const released = release(
    heldIps.filter((ip) => !ips.includes(ip)),
    heldPorts.filter((port) => !ports.includes(port)),
  );
  return {
    when: [...newIps.map(ipAddressKey), ...newPorts.map(nodePortKey)].map((key) => ({ key, modRevision: 0 })),
    then: [
      ...newIps.map((ip) => ({ put: ipAddressKey(ip), value: ipAddressFor(ip, service.metadata, context.services) })),
      ...newPorts.map((port) => ({ put: nodePortKey(port), value: nodePortValue(service.metadata) })),
      ...released.then,
    ],
  };
}

const release = (ips: readonly string[], ports: readonly number[]): Alongside => ({
  when: [],
  then: [...ips.map(ipAddressKey), ...ports.map(nodePortKey)].map((key) => ({ delete: key })),
});
