/**
 * Which cluster has which addresses and ports on this machine. A cluster takes a slot once and keeps it until it is purged,
 * so that its addresses are the same after every start. All changes are made under one machine-wide lock.
 */
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '#base/clock.ts';
import { addressIn, overlaps } from './address-range.ts';
import { withFileLock } from './file-lock.ts';
import { readJsonFile, writeJsonFile } from './json-file.ts';

/** What follows from a slot's number. Every field that holds addresses is a list: one entry a family. */
export interface SlotPlan {
  slot: number;
  bridge: string;
  nodeRanges: string[];
  podRanges: string[];
  serviceRanges: string[];
  /** For Services of type LoadBalancer: reached from this machine, by way of the nodes. */
  balancerRanges: string[];
  /** Where Ingresses are reached: every node answers there. Out of `balancerRanges`. */
  ingressAddresses: string[];
  /** The host's own address on the bridge. */
  hostAddresses: string[];
  /** The first address of the service range: the Service `kubernetes`. */
  kubernetesAddresses: string[];
  dnsAddresses: string[];
  apiServerPort: number;
  /** Of the cluster's image registry, on loopback and for its nodes. */
  registryPort: number;
}

export const SLOTS = 32;

export type IpFamily = 'IPv4' | 'IPv6';

/** The families of a cluster's addresses, the primary one first. IPv4 is always there. */
export type IpFamilies = readonly ['IPv4', 'IPv6'?];

/** IPv4 only, and with IPv6 beside it: entry by entry of the same thing. */
export function planOf(slot: number, ipFamilies: IpFamilies = ['IPv4']): SlotPlan {
  const isDual = ipFamilies.includes('IPv6');
  // Unique local addresses (RFC 4193); "kedge" in ASCII begins 6b 65 64 67.
  const prefix = `fd6b:6564:67${slot.toString(16).padStart(2, '0')}`;
  const both = (ipv4: string, ipv6: string) => (isDual ? [ipv4, `${prefix}:${ipv6}`] : [ipv4]);
  const nodes = both(`172.30.${slot}.0/24`, ':/64');
  const balancers = both(`172.29.${slot}.0/24`, '1::/112');
  const services = both(`10.${96 + slot}.0.0/16`, '2::/112');
  const inEach = (ranges: readonly string[], offset: number) => ranges.map((range) => addressIn(range, offset));
  return {
    slot,
    bridge: `kedge${slot}`,
    nodeRanges: nodes,
    podRanges: both(`10.${244 - slot}.0.0/16`, 'ff00::/56'),
    serviceRanges: services,
    balancerRanges: balancers,
    ingressAddresses: inEach(balancers, 1),
    hostAddresses: inEach(nodes, 1),
    kubernetesAddresses: inEach(services, 1),
    dnsAddresses: inEach(services, 10),
    apiServerPort: 6443 + slot,
    registryPort: 5000 + slot,
  };
}

export const planFor = ({ slot, ipFamilies }: { slot: number; ipFamilies?: IpFamilies }): SlotPlan =>
  planOf(slot, ipFamilies);

/** Addresses and pod ranges of the node with this number, from 1 on. */
export function nodePlanOf(plan: SlotPlan, index: number): { addresses: string[]; podRanges: string[]; link: string } {
  if (index < 1 || index > 240) throw new NoSlot(`a cluster has at most 240 nodes on one machine`);
  return {
    addresses: plan.nodeRanges.map((range) => addressIn(range, 10 + index)),
    podRanges: plan.podRanges.map((range) => nodeRangeIn(range, index)),
    link: `${plan.bridge}n${index}`,
  };
}

const nodeRangeIn = (range: string, index: number): string =>
  range.includes(':') ? `${addressIn(range, BigInt(index) << 64n)}/64` : `${addressIn(range, 256 * index)}/24`;

export class NoSlot extends Error {
  readonly code = 'NoSlot';
}

export interface SlotOwner {
  name: string;
  dataDir: string;
}

export interface SlotRegister {
  /** The folder of the register, shared by all clusters of this user's machine. */
  folder: string;
  clock: Clock;
  /** Ranges that the machine uses otherwise: routes and addresses that are not ours. */
  rangesInUse: () => Promise<string[]>;
  /** Of a port for an API server: another user's cluster may have it, of which this register does not know. */
  isPortFree: (port: number) => Promise<boolean>;
}

/** The slot of this cluster, taken now if it has none. Throws NoSlot; also when another data directory has the name. */
export function takeSlot(
  register: SlotRegister,
  owner: SlotOwner,
  ipFamilies: IpFamilies = ['IPv4'],
): Promise<SlotPlan> {
  return locked(register, async (slots) => {
    for (const [slot, { name, dataDir }] of slots) {
      if (name !== owner.name) continue;
      if (dataDir === owner.dataDir) return planOf(slot, ipFamilies);
      throw new NoSlot(
        `cluster "${name}" exists already, with its data in ${dataDir}; give another --name, or that --data-dir`,
      );
    }
    const inUse = await register.rangesInUse();
    for (let slot = 0; slot < SLOTS; slot++) {
      const plan = planOf(slot, ipFamilies);
      const ranges = [...plan.nodeRanges, ...plan.podRanges, ...plan.serviceRanges, ...plan.balancerRanges];
      if (slots.has(slot) || ranges.some((range) => inUse.some((used) => overlaps(range, used)))) continue;
      if (!(await register.isPortFree(plan.apiServerPort))) continue;
      if (!(await register.isPortFree(plan.registryPort))) continue;
      slots.set(slot, owner);
      return plan;
    }
    throw new NoSlot(
      `no free address ranges: ${slots.size} clusters exist, and the other ranges are routed elsewhere or their ports in use`,
    );
  });
}

/** Nothing happens when the cluster has none. */
export function releaseSlot(register: SlotRegister, { dataDir }: SlotOwner): Promise<void> {
  return locked(register, async (slots) => {
    for (const [slot, owner] of slots) if (owner.dataDir === dataDir) slots.delete(slot);
  });
}

export const slotOwners = async (register: SlotRegister): Promise<SlotOwner[]> => [...(await read(register)).values()];

function locked<T>(register: SlotRegister, act: (slots: Map<number, SlotOwner>) => Promise<T>): Promise<T> {
  return withFileLock({ path: join(register.folder, 'lock'), clock: register.clock }, async () => {
    const slots = await read(register);
    const result = await act(slots);
    await writeJsonFile(join(register.folder, 'slots.json'), { formatVersion: 1, slots: Object.fromEntries(slots) });
    return result;
  });
}

/** Entries whose data directory somebody deleted are left out, and so given back with the next change. */
async function read({ folder }: SlotRegister): Promise<Map<number, SlotOwner>> {
  const file = (await readJsonFile(join(folder, 'slots.json'))) as { slots?: Record<string, SlotOwner> } | undefined;
  const slots = new Map<number, SlotOwner>();
  for (const [slot, owner] of Object.entries(file?.slots ?? {})) {
    if (await exists(owner.dataDir)) slots.set(Number(slot), owner);
  }
  return slots;
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
