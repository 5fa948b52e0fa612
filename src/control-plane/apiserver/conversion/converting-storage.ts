/**
 * The store as one version of a custom kind sees it: whatever is read was converted to that version before, pruned and
 * defaulted by its schema. So the watch cache above it holds objects of that version, selects among them and sends
 * their bytes, as for any kind. Writes do not come this way.
 */
import type { Kind } from '#api/machinery/kind.ts';
import { apiVersionOf } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { deepFreeze } from '#base/deep-freeze.ts';
import type { Soon } from '#base/soon.ts';
import type {
  EventBatch,
  RangeOptions,
  RangeResult,
  Revision,
  Storage,
  Stored,
  StoreEvent,
} from '#control-plane/storage/storage.ts';
import { decode, encode } from '../watch-cache/stored-object.ts';

/** A watched object is converted when it comes, and known when it is replaced: so many are remembered. */
const REMEMBERED = 1000;
/** Objects. */
const AT_A_TIME = 250;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export class ConvertingStorage implements Storage {
  readonly #base: Storage;
  readonly #kind: Kind;
  readonly #remembered = new Map<string, Stored>();
  readonly #failure: Promise<never>;
  #fail!: (error: unknown) => void;
  #failed: { error: unknown } | undefined;

  constructor(base: Storage, kind: Kind) {
    this.#base = base;
    this.#kind = kind;
    this.#failure = new Promise((_, reject) => {
      this.#fail = reject;
    });
    this.#failure.catch(() => undefined); // whoever waits for it hears of it; nobody may be waiting
  }

  /** Whether an object could not be converted. Nothing is read through this storage from then on. */
  get hasFailed(): boolean {
    return this.#failed !== undefined;
  }

  /** Rejects when an object cannot be converted, with the reason. */
  get failure(): Promise<never> {
    return this.#failure;
  }

  currentRevision(): Soon<Revision> {
    return this.#base.currentRevision();
  }

  newestUnder(prefix: string): Revision | undefined {
    return this.#base.newestUnder(prefix);
  }

  async get(key: string, revision?: Revision): Promise<Stored | undefined> {
    const found = await this.#base.get(key, revision);
    return found && (await this.#converted([found]))[0];
  }

  async range(options: RangeOptions): Promise<RangeResult> {
    const result = await this.#base.range(options);
    return { ...result, items: await this.#converted(result.items) };
  }

  async *watch(options: Parameters<Storage['watch']>[0]): AsyncGenerator<EventBatch> {
    for await (const { events, revision } of this.#base.watch(options))
      yield { revision, events: await this.#convertedEvents(events) };
  }

  requestProgress(prefix: string, revision?: Revision): Promise<Revision> {
    return this.#base.requestProgress(prefix, revision);
  }

  compactedRevision(prefix: string): Promise<Revision> {
    return this.#base.compactedRevision(prefix);
  }

  sizeBytes(): Promise<number | undefined> {
    return this.#base.sizeBytes();
  }

  commit(): never {
    throw new Error('a version is not written through its view');
  }

  compact(): never {
    throw new Error('a version has no history of its own');
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  async #convertedEvents(events: readonly StoreEvent[]): Promise<StoreEvent[]> {
    const all = events.flatMap(({ now, before }) => [now, before]).filter((one) => one !== undefined);
    const converted = await this.#converted(all);
    const of = new Map(all.map((stored, index) => [stored, converted[index]!]));
    return events.map(({ now, before, ...event }) => ({
      ...event,
      now: now && of.get(now),
      before: before && of.get(before),
    }));
  }

  async #converted(items: readonly Stored[]): Promise<Stored[]> {
    if (this.#failed) throw this.#failed.error;
    const known = items.map((stored) => this.#remembered.get(idOf(stored)));
    const missing = items.filter((_, index) => !known[index]);
    if (missing.length === 0) return known as Stored[];
    const made = await this.#make(missing);
    let next = 0;
    return known.map((stored) => stored ?? made[next++]!);
  }

  async #make(items: readonly Stored[]): Promise<Stored[]> {
    const made: Stored[] = [];
    for (let at = 0; at < items.length; at += AT_A_TIME) {
      if (at > 0) await turn(); // others are waiting for this thread
      made.push(...(await this.#makeSome(items.slice(at, at + AT_A_TIME))));
    }
    return made;
  }

  async #makeSome(items: readonly Stored[]): Promise<Stored[]> {
    const { converter, custom } = this.#kind;
    try {
      const objects = items.map(({ value }) => decode(value));
      const converted = await converter!.convert(objects, apiVersionOf(this.#kind));
      return items.map((stored, index) => {
        const object = custom?.shaped(converted[index]!) ?? converted[index]!;
        return this.#remember({ ...stored, value: encode(deepFreeze(object) as KubeObject) });
      });
    } catch (error) {
      this.#failed ??= { error };
      this.#fail(error);
      throw error;
    }
  }

  #remember(stored: Stored): Stored {
    this.#remembered.set(idOf(stored), stored);
    const [oldest] = this.#remembered.keys();
    if (this.#remembered.size > REMEMBERED) this.#remembered.delete(oldest!);
    return stored;
  }
}

const idOf = ({ key, modRevision }: Stored): string => `${modRevision} ${key}`;
