/**
 * The devices that drivers publish, pool by pool, as one node sees them. Of a pool only its newest generation counts; while
 * that is not whole, nothing is given out of it. Source: API reference, resource.k8s.io/v1, ResourceSlice; KEP-4381, KEP-4815.
 */
import type { Node } from '#api/core/v1/node.ts';
import { matchesNodeSelector } from '#api/core/v1/node-affinity.ts';
import type { Device } from '#api/generated/schema.ts';
import { parseQuantity } from '#api/machinery/quantity.ts';
import type { ResourceSlice } from '#api/resource/v1/resource-slice.ts';

/** A device that could be given. */
export interface Candidate {
  /** `DRIVER/POOL/DEVICE`. */
  id: string;
  driver: string;
  pool: Pool;
  device: Device;
  slice: ResourceSlice;
}

/** Billionths, by counter set and counter. */
export type Counters = ReadonlyMap<string, ReadonlyMap<string, bigint>>;

export interface Pool {
  /** `DRIVER/POOL`. */
  id: string;
  /** Nothing can be given out of it now: slices are missing, or contradict each other. */
  problem: 'incomplete' | 'invalid' | undefined;
  /** In the order of slices and devices. */
  candidates: readonly Candidate[];
  counters: Counters;
  /** All devices of the pool, also those that other nodes have: they share its counters. */
  devices: readonly { id: string; device: Device }[];
}

interface Published {
  id: string;
  driver: string;
  slices: ResourceSlice[];
  devices: Pool['devices'];
  counters: Counters;
  problem: Pool['problem'];
}

/** Made once for each try; `of` gives the pools that have something for a node. */
export class DevicePools {
  readonly #onNode = new Map<string, Set<Published>>();
  /** Those with slices that are not one node's. */
  readonly #anywhere = new Set<Published>();

  constructor(slices: readonly ResourceSlice[]) {
    for (const pool of publishedPools(slices))
      for (const { spec } of pool.slices) {
        if (spec.sharedCounters?.length) continue;
        if (!spec.nodeName) this.#anywhere.add(pool);
        else this.#onNode.set(spec.nodeName, (this.#onNode.get(spec.nodeName) ?? new Set()).add(pool));
      }
  }

  of(node: Node): Pool[] {
    const pools = new Set([...(this.#onNode.get(node.metadata.name) ?? []), ...this.#anywhere]);
    return [...pools].sort((a, b) => (a.id < b.id ? -1 : 1)).flatMap((pool) => poolOn(node, pool) ?? []);
  }
}

function poolOn(node: Node, { id, driver, slices, devices, counters, problem }: Published): Pool | undefined {
  const near = slices.filter((slice) => reaches(slice, node));
  if (near.length === 0) return undefined;
  const candidates: Candidate[] = [];
  const pool: Pool = { id, problem, candidates, counters, devices };
  if (problem) return pool;
  for (const slice of near)
    for (const device of slice.spec.devices ?? [])
      if (!slice.spec.perDeviceNodeSelection || isFor(device, node))
        candidates.push({ id: `${id}/${device.name}`, driver, pool, device, slice });
  return pool;
}

function reaches({ spec }: ResourceSlice, node: Node): boolean {
  if (spec.sharedCounters?.length) return false; // it has no devices
  return spec.perDeviceNodeSelection ? (spec.devices ?? []).some((device) => isFor(device, node)) : isFor(spec, node);
}

function isFor({ nodeName, allNodes, nodeSelector }: Device | ResourceSlice['spec'], node: Node): boolean {
  if (nodeName) return nodeName === node.metadata.name;
  if (allNodes) return true;
  return nodeSelector !== undefined && matchesNodeSelector(nodeSelector, node);
}

function publishedPools(slices: readonly ResourceSlice[]): Published[] {
  const newest = new Map<string, ResourceSlice[]>();
  for (const slice of slices) {
    const id = `${slice.spec.driver}/${slice.spec.pool.name}`;
    const known = newest.get(id);
    const generation = known?.[0]?.spec.pool.generation ?? -1;
    if (slice.spec.pool.generation > generation) newest.set(id, [slice]);
    else if (slice.spec.pool.generation === generation) known?.push(slice);
  }
  return [...newest].map(([id, own]) => published(id, own));
}

function published(id: string, slices: ResourceSlice[]): Published {
  const { driver, pool } = (slices[0] as ResourceSlice).spec;
  slices.sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  const devices = slices
    .flatMap(({ spec }) => spec.devices ?? [])
    .map((device) => ({ id: `${id}/${device.name}`, device }));
  const sets = slices.flatMap(({ spec }) => spec.sharedCounters ?? []);
  const counters = new Map(sets.map((set) => [set.name, nanosOf(set.counters)]));
  const isConsistent =
    new Set(devices.map((each) => each.id)).size === devices.length &&
    counters.size === sets.length &&
    devices.every(({ device }) => hasItsCounters(device, counters));
  const problem = slices.length < pool.resourceSliceCount ? 'incomplete' : isConsistent ? undefined : 'invalid';
  return { id, driver, slices, devices, counters, problem };
}

const hasItsCounters = ({ consumesCounters = [] }: Device, known: Counters): boolean =>
  consumesCounters.every(({ counterSet, counters }) =>
    Object.keys(counters).every((name) => known.get(counterSet)?.has(name)),
  );

export const nanosOf = (counters: Readonly<Record<string, { value: string }>>): Map<string, bigint> =>
  new Map(Object.entries(counters).map(([name, { value }]) => [name, parseQuantity(value)?.nanos ?? 0n]));
