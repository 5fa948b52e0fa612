/**
 * Looks for devices of one node that meet all requests of all claims together: every request is tried with every device, in
 * order, until the first whole solution. Source: KEP-4381 (structured parameters); order and limits as upstream's allocator.
 */
import type { DeviceTaint, DeviceToleration } from '#api/generated/schema.ts';
import { toleratesDeviceTaint } from '#api/resource/v1/device-taints.ts';
import { type Consumed, consumedBy, hasLeft, plusConsumed } from './device-capacity.ts';
import type { Constraint } from './device-constraints.ts';
import { type Candidate, nanosOf, type Pool } from './device-pools.ts';
import type { Alternative, ClaimRequests } from './device-requests.ts';
import { AllocationFailed, type DeviceSelectors } from './device-selectors.ts';

/** Source: resource.k8s.io/v1, AllocationResultsMaxSize. */
export const MOST_RESULTS = 32;
/** It is counted in steps, which take the same way every time: these stand for upstream's default of ten seconds. */
const STEPS_PER_MS = 5;
/** Also of a search that may take as long as it likes: it must not hold the thread for long. */
const MOST_STEPS = 100_000;

/** What is given away already. */
export interface Allocated {
  /** Devices that somebody has for himself. */
  taken: ReadonlySet<string>;
  /** Of devices that several may have: what is used of them. */
  shared: ReadonlyMap<string, Consumed>;
}

export interface Chosen {
  alternative: Alternative;
  candidate: Candidate;
  /** Of a device that several may have. */
  consumed: Consumed | undefined;
}

/** It takes too long. */
export class SearchTooLong extends Error {
  readonly code = 'SearchTooLong';
}

export interface SearchOptions {
  claims: readonly ClaimRequests[];
  pools: readonly Pool[];
  allocated: Allocated;
  selectors: DeviceSelectors;
  /** 0: as long as it likes. */
  timeoutMs: number;
}

export class DeviceSearch {
  readonly #options: SearchOptions;
  /** Of all pools, in their order. */
  readonly #candidates: readonly Candidate[];
  readonly #chosen: Chosen[][];
  readonly #constraints: Constraint[][];
  /** Claims (by index) that get the device in this attempt. */
  readonly #allocating = new Map<string, number[]>();
  readonly #sharing = new Map<string, Consumed>();
  readonly #counted = new Map<Pool, Map<string, bigint>>();
  readonly #mostSteps: number;
  #steps = 0;

  constructor(options: SearchOptions) {
    this.#options = options;
    this.#mostSteps = Math.min(options.timeoutMs * STEPS_PER_MS || MOST_STEPS, MOST_STEPS);
    this.#candidates = options.pools.flatMap(({ candidates }) => candidates);
    this.#chosen = options.claims.map(() => []);
    this.#constraints = options.claims.map(({ constraints }) => constraints());
  }

  /** By claim; undefined when there is no solution. Throws AllocationFailed and SearchTooLong. */
  run(): Chosen[][] | undefined {
    return this.#request(0, 0) ? this.#chosen : undefined;
  }

  #request(claimIndex: number, requestIndex: number): boolean {
    const claim = this.#options.claims[claimIndex];
    if (!claim) return true;
    const alternatives = claim.requests[requestIndex];
    if (!alternatives) return this.#request(claimIndex + 1, 0);
    return alternatives.some((alternative) => {
      const all = alternative.count === undefined ? this.#allOf(claim, alternative) : undefined;
      const count = all?.length ?? alternative.count ?? 0;
      if (count === 0) return false; // `All` means at least one
      return this.#device({ claimIndex, requestIndex, alternative, all, count }, 0);
    });
  }

  #device(at: Place, index: number): boolean {
    if (++this.#steps > this.#mostSteps) throw new SearchTooLong('too many devices to try');
    const { claimIndex, requestIndex, all, count } = at;
    if (index >= count) return this.#request(claimIndex, requestIndex + 1);
    if ((this.#chosen[claimIndex]?.length ?? 0) + count - index > MOST_RESULTS) return false;
    for (const candidate of all ? [all[index] as Candidate] : this.#candidates) {
      if (!all && !this.#matches(at, candidate)) continue;
      const undo = this.#take(at, candidate);
      if (!undo) continue;
      if (this.#device(at, index + 1)) return true;
      undo();
    }
    return false;
  }

  /** While a pool is being changed nobody knows what "all" is. */
  #allOf({ key, claim }: ClaimRequests, alternative: Alternative): Candidate[] {
    const { pools } = this.#options;
    const where = `claim ${key}, request ${alternative.name.sub ?? alternative.name.name}: asks for all devices, but`;
    for (const { id, problem } of pools) {
      if (problem === 'incomplete')
        throw new AllocationFailed(`${where} resource pool ${id} is currently being updated`);
      if (problem === 'invalid') throw new AllocationFailed(`${where} resource pool ${id} is currently invalid`);
    }
    const claimIndex = this.#options.claims.findIndex((each) => each.claim === claim);
    const at = { claimIndex, alternative };
    return this.#candidates.filter((candidate) => this.#matches(at, candidate));
  }

  #matches({ claimIndex, alternative }: Pick<Place, 'claimIndex' | 'alternative'>, candidate: Candidate): boolean {
    const known = alternative.matches.get(candidate.device);
    if (known !== undefined) return known;
    const { selectors, claims } = this.#options;
    const { class: deviceClass } = alternative;
    const matches =
      selectors.match(deviceClass.spec.selectors, candidate, `class ${deviceClass.metadata.name}`) &&
      selectors.match(alternative.selectors, candidate, `claim ${claims[claimIndex]?.key}`);
    alternative.matches.set(candidate.device, matches);
    return matches;
  }

  /** undefined when it cannot be had; else how to give it back. */
  #take(at: Place, candidate: Candidate): (() => void) | undefined {
    const { claimIndex, alternative, all } = at;
    const { id, device } = candidate;
    const isShared = device.allowMultipleAllocations === true;
    if (!isShared && this.#isInUse(id, at)) return undefined;
    const consumed = isShared ? this.#consumedOf(at, candidate) : undefined;
    if (isShared && !consumed) return undefined;
    if (isTainted(device.taints, alternative.tolerations)) return undefined;
    const isCounted = !(isShared && this.#isShared(id)); // the counters of a shared device are taken once
    if (isCounted && !this.#count(candidate, 1n)) return undefined;
    const constraints = this.#constraints[claimIndex] ?? [];
    const failing = constraints.findIndex((constraint) => !constraint.add(alternative.name, candidate));
    if (failing >= 0) {
      for (const constraint of constraints.slice(0, failing)) constraint.remove(alternative.name, candidate);
      if (isCounted) this.#count(candidate, -1n);
      if (!all) return undefined;
      const claim = this.#options.claims[claimIndex]?.key;
      const request = alternative.name.sub ?? alternative.name.name;
      const why = 'because a claim constraint would not be satisfied';
      throw new AllocationFailed(`claim ${claim}, request ${request}: cannot add device ${id} ${why}`);
    }
    return this.#record(at, { alternative, candidate, consumed }, () => {
      for (const constraint of constraints) constraint.remove(alternative.name, candidate);
      if (isCounted) this.#count(candidate, -1n);
    });
  }

  #record({ claimIndex }: Place, chosen: Chosen, undo: () => void): () => void {
    const { id } = chosen.candidate;
    const users = this.#allocating.get(id) ?? [];
    const sharing = this.#sharing.get(id);
    this.#allocating.set(id, [...users, claimIndex]);
    if (chosen.consumed) this.#sharing.set(id, plusConsumed(sharing ?? new Map(), chosen.consumed));
    this.#chosen[claimIndex]?.push(chosen);
    return () => {
      this.#chosen[claimIndex]?.pop();
      this.#allocating.set(id, users);
      if (sharing) this.#sharing.set(id, sharing);
      else this.#sharing.delete(id);
      undo();
    };
  }

  /** An administrator may have what others use, but not twice in one claim. */
  #isInUse(id: string, { claimIndex, alternative }: Place): boolean {
    const users = this.#allocating.get(id) ?? [];
    if (alternative.adminAccess) return users.includes(claimIndex);
    return users.length > 0 || this.#options.allocated.taken.has(id);
  }

  #isShared(id: string): boolean {
    return this.#options.allocated.shared.has(id) || (this.#allocating.get(id)?.length ?? 0) > 0;
  }

  #consumedOf({ alternative }: Place, { id, device }: Candidate): Consumed | undefined {
    const consumed = consumedBy(alternative.capacity, device);
    if (!consumed) return undefined;
    const taken = plusConsumed(this.#options.allocated.shared.get(id) ?? new Map(), this.#sharing.get(id) ?? new Map());
    return hasLeft(device, taken, consumed) ? consumed : undefined;
  }

  /** Takes what the device uses of its pool's counters; false (and nothing taken) when there is not so much. */
  #count({ pool, device }: Candidate, sign: 1n | -1n): boolean {
    if (!device.consumesCounters?.length) return true;
    const left = this.#countersOf(pool);
    const wanted = device.consumesCounters.flatMap(({ counterSet, counters }) =>
      [...nanosOf(counters)].map(([name, amount]) => [`${counterSet}/${name}`, amount * sign] as const),
    );
    if (sign > 0n && wanted.some(([counter, amount]) => (left.get(counter) ?? 0n) < amount)) return false;
    for (const [counter, amount] of wanted) left.set(counter, (left.get(counter) ?? 0n) - amount);
    return true;
  }

  /** What those that are given away leave. */
  #countersOf(pool: Pool): Map<string, bigint> {
    const known = this.#counted.get(pool);
    if (known) return known;
    const left = new Map<string, bigint>();
    for (const [set, counters] of pool.counters)
      for (const [name, amount] of counters) left.set(`${set}/${name}`, amount);
    const { taken, shared } = this.#options.allocated;
    for (const { id, device } of pool.devices) {
      if (!taken.has(id) && !shared.has(id)) continue;
      for (const { counterSet, counters } of device.consumesCounters ?? [])
        for (const [name, amount] of nanosOf(counters))
          left.set(`${counterSet}/${name}`, (left.get(`${counterSet}/${name}`) ?? 0n) - amount);
    }
    this.#counted.set(pool, left);
    return left;
  }
}

interface Place {
  claimIndex: number;
  requestIndex: number;
  alternative: Alternative;
  /** The devices that are meant by "all". */
  all: readonly Candidate[] | undefined;
  count: number;
}

const isTainted = (taints: readonly DeviceTaint[] = [], tolerations: readonly DeviceToleration[] = []): boolean =>
  taints.some(
    (taint) =>
      (taint.effect === 'NoSchedule' || taint.effect === 'NoExecute') &&
      !tolerations.some((toleration) => toleratesDeviceTaint(toleration, taint)),
  );
