/**
 * Claims for devices: prepared by their drivers before the first pod on this node that uses one has a sandbox, and given
 * back when the last such pod has ended, but before the API hears that it has. Which pods use what outlives the kubelet.
 * Source: KEP-4381.
 */
import { join } from 'node:path';
import type { Container, Pod, ResourceStatus } from '#api/generated/schema.ts';
import { StatusError } from '#api/machinery/status.ts';
import { ResourceClaim } from '#api/resource/v1/resource-claim.ts';
import type { Timer } from '#base/clock.ts';
import { Unreachable } from '#client/transport.ts';
import { DriverFailed } from '#node/runtime/csi/node-driver.ts';
import type { DeviceHealth, UnprepareResult } from '#node/runtime/devices/dra-plugin.ts';
import type { ToldClaim } from '#node/runtime/devices/pod-resources-server.ts';
import { readState, StateFile } from '../state-file.ts';
import { Turns } from '../turns.ts';
import {
  byDriver,
  cdiDevicesOf,
  type ClaimRecord,
  hasOneOf,
  healthIn,
  recordOf,
  toldClaim,
  withDevices,
} from './claim-record.ts';
import { ClaimDurations } from './claim-durations.ts';
import { ClaimsFailed } from './claims-failed.ts';
import { claimOf, claimsOf, type NamedClaim, refusalOfClaim, requestsOf } from './claims-of-pod.ts';
import { DeviceHealths } from './device-healths.ts';
import { DraPlugins, type DraPluginsOptions } from './dra-plugins.ts';

export interface ResourceClaimsOptions extends DraPluginsOptions {
  /** The kubelet's folder. */
  root: string;
  /** Devices of the pod are otherwise than they were. */
  onHealth(podUid: string): void;
}

const CHECKPOINT = 'dra_manager_state';
const RECONCILE_MS = 60_000;

export class ResourceClaims {
  readonly plugins: DraPlugins;
  readonly durations: ClaimDurations;
  readonly #options: ResourceClaimsOptions;
  /** `namespace/name` → claim. */
  readonly #records: Map<string, ClaimRecord>;
  /** By uid. Not remembered beyond the kubelet: after a restart of the machine nothing is prepared. */
  readonly #prepared = new Set<string>();
  readonly #turns = new Turns();
  readonly #file: StateFile;
  readonly #healths: DeviceHealths;
  #timer: Timer | undefined;
  #isClosed = false;

  private constructor(options: ResourceClaimsOptions, records: ClaimRecord[], healths: DeviceHealths) {
    this.#options = options;
    this.#healths = healths;
    this.durations = new ClaimDurations(options.clock);
    const onHealth = (driver: string, devices: readonly DeviceHealth[] | undefined) => this.#heard(driver, devices);
    this.plugins = new DraPlugins({ ...options, durations: this.durations, onHealth });
    this.#records = new Map(records.map((record) => [keyOf(record), record]));
    this.#file = new StateFile(join(options.root, CHECKPOINT), () => [...this.#records.values()], options);
  }

  static async open(options: ResourceClaimsOptions): Promise<ResourceClaims> {
    const state = await readState(join(options.root, CHECKPOINT));
    const healths = await DeviceHealths.open(options);
    return new ResourceClaims(options, (state as ClaimRecord[] | undefined) ?? [], healths);
  }

  /** Nothing happens for a claim that is prepared already. @throws ClaimsFailed */
  prepare(pod: Pod): Promise<void> {
    return this.durations.operation('PrepareResources', async () => {
      if (!pod.spec.resourceClaims?.length && !pod.status?.extendedResourceClaimStatus) return;
      await within('prepare dynamic resources', async () => {
        const named = [...new Map(claimsOf(pod).map((claim) => [claim.name, claim])).values()];
        const keys = named.map(({ name }) => `${pod.metadata.namespace}/${name}`);
        await this.#holding(keys, () => this.#prepareNow(pod, named));
      });
    });
  }

  /** By their full names. @throws ClaimsFailed where one that it uses is not prepared */
  cdiDevicesFor(pod: Pod, container: Container): string[] {
    const found = new Set<string>();
    for (const { claimName, request } of requestsOf(pod, container)) {
      const { namespace } = pod.metadata;
      const record = this.#records.get(`${namespace}/${claimName}`);
      if (!record)
        throw new ClaimsFailed(
          `internal error: unable to get claim info for ResourceClaim ${claimName} in namespace ${namespace}`,
        );
      for (const id of cdiDevicesOf(record, request)) found.add(id);
    }
    return [...found];
  }

  /** What the container uses of them, as far as they are prepared. */
  claimsFor(pod: Pod, container: Container): ToldClaim[] {
    const { namespace } = pod.metadata;
    const requests = unlessFailed(() => requestsOf(pod, container)) ?? [];
    const names = new Set(requests.map(({ claimName }) => claimName));
    const records = [...names].flatMap((name) => this.#records.get(`${namespace}/${name}`) ?? []);
    return records.map(toldClaim);
  }

  /** How well the devices of the container's claims are: `claim:NAME`, or `claim:NAME/REQUEST`. */
  healthOf(pod: Pod, container: Container): ResourceStatus[] {
    return (container.resources?.claims ?? []).flatMap(({ name, request = '' }) => {
      const claim = unlessFailed(() => claimOf(pod, name));
      const record = claim && this.#records.get(`${pod.metadata.namespace}/${claim.name}`);
      const healthOf = this.#healths.of.bind(this.#healths);
      const resources = record ? healthIn(record, request, healthOf) : [];
      return resources.length > 0 ? [{ name: `claim:${name}${request && `/${request}`}`, resources }] : [];
    });
  }

  /** The pod uses none of its claims any more. @throws ClaimsFailed */
  unprepare(podUid: string): Promise<void> {
    return this.durations.operation('UnprepareResources', () => this.#unprepare(podUid));
  }

  /** How many claims are ready for pods, by driver; `<any>`: all. */
  get inUse(): ReadonlyMap<string, number> {
    const counts = new Map([['<any>', 0]]);
    for (const { uid, drivers } of this.#records.values()) {
      if (!this.#prepared.has(uid)) continue;
      for (const name of ['<any>', ...drivers.map((driver) => driver.name)])
        counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    return counts;
  }

  async #unprepare(podUid: string): Promise<void> {
    const keys = [...this.#records].filter(([, { podUids }]) => podUids.includes(podUid)).map(([key]) => key);
    if (keys.length === 0) return;
    await within('unprepare dynamic resources', () => this.#holding(keys, () => this.#unprepareNow(podUid, keys)));
  }

  /**
   * Gives back every minute what pods have left that ended without this kubelet, or while a driver was away.
   * @param hasEnded of a pod: nothing of it runs here, or will
   */
  follow(hasEnded: (podUid: string) => boolean): void {
    if (this.#isClosed) return;
    this.#timer = this.#options.clock.timer(RECONCILE_MS, () => void this.#reconcile(hasEnded));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.plugins.close();
    await this.#file.settled();
    await this.#healths.settled();
  }

  #heard(driver: string, devices: readonly DeviceHealth[] | undefined): void {
    const changed = devices ? this.#healths.report(driver, devices) : this.#healths.forget(driver);
    if (changed.length === 0) return;
    const affected = [...this.#records.values()].filter((record) => hasOneOf(record, driver, changed));
    for (const podUid of new Set(affected.flatMap(({ podUids }) => podUids))) this.#options.onHealth(podUid);
  }

  /** All is looked at before anything is noted: a pod that may not use a claim leaves nothing to be given back. */
  async #prepareNow(pod: Pod, named: readonly NamedClaim[]): Promise<void> {
    const wanted: ClaimRecord[] = [];
    for (const claim of named) wanted.push(await this.#usable(pod, claim));
    const records = wanted.map((record) => this.#noteUser(record, pod.metadata.uid));
    await this.#remember();
    const unprepared = records.filter(({ uid }) => !this.#prepared.has(uid));
    for (const [driver, claims] of byDriver(unprepared)) {
      const answer = await answerOf('NodePrepareResources', claims, this.plugins.of(driver).prepare(claims));
      for (const { namespace, name, uid } of claims) {
        const key = `${namespace}/${name}`;
        const record = this.#records.get(key);
        if (record) this.#records.set(key, withDevices(record, driver, answer.get(uid)?.devices ?? []));
      }
    }
    if (unprepared.length === 0) return;
    for (const { uid } of unprepared) this.#prepared.add(uid);
    await this.#remember();
  }

  /** The claim as the API has it. Throws ClaimsFailed where it cannot be used, or a driver of its is not there. */
  async #usable(pod: Pod, { name, isOwn }: NamedClaim): Promise<ClaimRecord> {
    const claim = await this.#fetch(pod.metadata.namespace ?? '', name);
    const refusal = refusalOfClaim(pod, claim, isOwn);
    if (refusal) throw new ClaimsFailed(refusal);
    const record = recordOf(claim);
    for (const driver of record.drivers) this.plugins.of(driver.name);
    const known = this.#records.get(keyOf(record));
    if (known && known.uid !== record.uid)
      throw new ClaimsFailed(
        `old ResourceClaim with same name ${name} and different UID ${known.uid} still exists (previous pod force-deleted?!)`,
      );
    return known ?? record;
  }

  async #fetch(namespace: string, name: string): Promise<ResourceClaim> {
    try {
      return await this.#options.client.get(ResourceClaim, { namespace, name });
    } catch (error) {
      if (!(error instanceof StatusError) && !(error instanceof Unreachable)) throw error;
      throw new ClaimsFailed(`fetch ResourceClaim ${name}: ${error.message}`, { cause: error });
    }
  }

  #noteUser(record: ClaimRecord, podUid: string): ClaimRecord {
    const used = { ...record, podUids: [...new Set([...record.podUids, podUid])] };
    this.#records.set(keyOf(record), used);
    return used;
  }

  async #unprepareNow(podUid: string, keys: readonly string[]): Promise<void> {
    const last: ClaimRecord[] = [];
    for (const key of keys) {
      const record = this.#records.get(key);
      if (!record?.podUids.includes(podUid)) continue;
      const others = record.podUids.filter((uid) => uid !== podUid);
      if (others.length > 0) this.#records.set(key, { ...record, podUids: others });
      else last.push(record);
    }
    for (const [driver, claims] of byDriver(last))
      await answerOf('NodeUnprepareResources', claims, this.plugins.of(driver).unprepare(claims));
    for (const record of last) {
      this.#records.delete(keyOf(record));
      this.#prepared.delete(record.uid);
    }
    await this.#remember();
  }

  async #remember(): Promise<void> {
    this.#file.changed();
    await this.#file.written();
  }

  /** One pod at a time for each claim; in the same order for all, so that none waits for another in a circle. */
  #holding<T>(keys: readonly string[], act: () => Promise<T>): Promise<T> {
    const [first, ...rest] = [...new Set(keys)].sort();
    return first === undefined ? act() : this.#turns.take(first, () => this.#holding(rest, act));
  }

  async #reconcile(hasEnded: (podUid: string) => boolean): Promise<void> {
    const users = new Set([...this.#records.values()].flatMap(({ podUids }) => podUids));
    for (const podUid of [...users].filter(hasEnded))
      try {
        await this.#unprepare(podUid);
      } catch (error) {
        if (!(error instanceof ClaimsFailed)) throw error;
        this.#options.log.warn('claims of a pod that has ended', { podUid, error: error.message });
      }
    this.follow(hasEnded);
  }
}

/** undefined as long as a claim has not been made: why is told where the pod is prepared. */
function unlessFailed<T>(find: () => T): T | undefined {
  try {
    return find();
  } catch (error) {
    if (error instanceof ClaimsFailed) return undefined;
    throw error;
  }
}

const keyOf = ({ namespace, name }: { namespace: string; name: string }): string => `${namespace}/${name}`;

async function within<T>(step: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (!(error instanceof ClaimsFailed)) throw error;
    throw new ClaimsFailed(`${step}: ${error.message}`, { cause: error });
  }
}

/** A driver answers for each claim that it was asked about, and for no other. Throws ClaimsFailed. */
async function answerOf<T extends UnprepareResult>(
  call: string,
  claims: readonly ClaimRecord[],
  asked: Promise<Map<string, T>>,
): Promise<Map<string, T>> {
  const answer = await asked.catch((error: unknown) => {
    if (!(error instanceof DriverFailed)) throw error;
    throw new ClaimsFailed(`${call}: ${error.message}`, { cause: error });
  });
  for (const [uid, { error }] of answer) {
    const claim = claims.find((each) => each.uid === uid);
    if (!claim) throw new ClaimsFailed(`${call} returned result for unknown claim UID ${uid}`);
    if (error) throw new ClaimsFailed(`${call} failed for ResourceClaim ${claim.name}: ${error}`);
  }
  const skipped = claims.length - answer.size;
  if (skipped !== 0) throw new ClaimsFailed(`${call} skipped ${skipped} ResourceClaims`);
  return answer;
}
