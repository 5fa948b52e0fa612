/**
 * Which API servers of one store are alive. Each has an entry in the store that it writes again and again; whose entry stands
 * still is gone. Keys are upstream's, `/registry/masterleases/…`; there etcd's leases end them. How long an entry has stood
 * still is measured by who looks: clocks of two machines may differ.
 */
import type { Clock } from '#base/clock.ts';
import type { Revision, Storage, Stored } from '#control-plane/storage/storage.ts';
import type { ServedAt } from './kubernetes-service.ts';

/** Upstream's DefaultEndpointReconcilerTTL. */
export const ENTRY_LIFE_MS = 15_000;
const PREFIX = '/registry/masterleases/';

interface Sighting {
  modRevision: Revision;
  /** Of the first look that found this state. */
  sinceMs: number;
}

/** The part of an entry that is read. It is an Endpoints, as upstream's are. */
interface Entry {
  metadata: { generation: number };
  subsets: { addresses: { ip: string }[]; ports: { port: number }[] }[];
}

export class ApiServerEntries {
  readonly #storage: Storage;
  readonly #clock: Clock;
  readonly #own: ServedAt;
  readonly #key: string;
  #seen = new Map<string, Sighting>();

  constructor(options: { storage: Storage; clock: Clock; own: ServedAt }) {
    this.#storage = options.storage;
    this.#clock = options.clock;
    this.#own = options.own;
    // With the port, which upstream's lack: two servers whose bridges have one address are two.
    this.#key = `${PREFIX}${options.own.ip}:${options.own.port}`;
  }

  /** Writes the own entry, forgets those that have stood still for too long, and says who is left: this one at least. */
  async renew(): Promise<ServedAt[]> {
    const there = await this.#storage.get(this.#key);
    const { modRevision = 0, value } = there ?? {};
    const generation = (value && parse(value)?.metadata.generation) ?? 0;
    const entry = encode(this.#own, generation + 1);
    // Refused only when another with the same address has just written the same.
    await this.#storage.commit({ when: [{ key: this.#key, modRevision }], then: [{ put: this.#key, value: entry }] });
    const others = await this.#others();
    return [this.#own, ...others];
  }

  /** Takes the own entry away, and says who is left. */
  async remove(): Promise<ServedAt[]> {
    await this.#storage.commit({ when: [], then: [{ delete: this.#key }] });
    return this.#others();
  }

  /** In how many ms the first entry is too old, unless it is written again; Infinity where there is none but the own. */
  get nextEndMs(): number {
    const nowMs = this.#clock.monotonicMs();
    return Math.min(...[...this.#seen.values()].map(({ sinceMs }) => sinceMs + ENTRY_LIFE_MS - nowMs));
  }

  async #others(): Promise<ServedAt[]> {
    const { items } = await this.#storage.range({ prefix: PREFIX });
    const others = items.filter(({ key }) => key !== this.#key);
    const nowMs = this.#clock.monotonicMs();
    const seen = new Map<string, Sighting>();
    const live: ServedAt[] = [];
    for (const stored of others) {
      const { key, modRevision } = stored;
      const before = this.#seen.get(key);
      const sighting = before?.modRevision === modRevision ? before : { modRevision, sinceMs: nowMs };
      const isOld = nowMs - sighting.sinceMs >= ENTRY_LIFE_MS;
      if (isOld) await this.#storage.commit({ when: [{ key, modRevision }], then: [{ delete: key }] });
      else seen.set(key, sighting);
      if (!isOld) live.push(...servedAt(stored));
    }
    this.#seen = seen;
    return live;
  }
}

function encode({ ip, port }: ServedAt, generation: number): Uint8Array {
  const subsets = [{ addresses: [{ ip }], ports: [{ port }] }];
  return new TextEncoder().encode(
    JSON.stringify({ kind: 'Endpoints', apiVersion: 'v1', metadata: { generation }, subsets }),
  );
}

/** undefined: not one of ours, as upstream writes protobuf. */
function parse(value: Uint8Array): Entry | undefined {
  try {
    return JSON.parse(new TextDecoder().decode(value)) as Entry;
  } catch {
    return undefined;
  }
}

function servedAt({ value }: Stored): ServedAt[] {
  const [subset] = parse(value)?.subsets ?? [];
  const ip = subset?.addresses[0]?.ip;
  const port = subset?.ports[0]?.port;
  return ip === undefined || port === undefined ? [] : [{ ip, port }];
}
