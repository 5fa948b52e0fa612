/** All objects of one cache at this moment, in key order, and indexed by the fields that somebody has asked for. */
import type { KubeObject } from '#api/machinery/object.ts';
import { SortedKeys } from '#control-plane/storage/sorted-keys.ts';
import type { CachedState } from './cached-state.ts';
import type { Selection } from './watch-cache.ts';

export type FieldReaders = Readonly<Record<string, (object: KubeObject) => string>>;

export class ObjectSet {
  readonly keys = new SortedKeys();
  readonly #prefix: string;
  readonly #namespaced: boolean;
  readonly #fields: FieldReaders;
  readonly #states = new Map<string, CachedState>();
  /** field → value → keys. */
  readonly #indexes = new Map<string, Map<string, Set<string>>>();

  constructor({ prefix, namespaced, fields }: { prefix: string; namespaced: boolean; fields: FieldReaders }) {
    this.#prefix = prefix;
    this.#namespaced = namespaced;
    this.#fields = fields;
  }

  /** Of what is stored, without keys; about, where the store defers. */
  bytes = 0;

  get count(): number {
    return this.#states.size;
  }

  get(key: string): CachedState | undefined {
    return this.#states.get(key);
  }

  /** `state` undefined: it is gone. */
  set(key: string, state: CachedState | undefined): void {
    const before = this.#states.get(key);
    for (const [field, index] of this.#indexes) this.#reindex(index, field, { before, now: state });
    this.bytes += (state?.size ?? 0) - (before?.size ?? 0);
    if (state) this.#states.set(key, state);
    else this.#states.delete(key);
    if (state && !before) this.keys.add(key);
    if (!state && before) this.keys.delete(key);
  }

  clear(): void {
    for (const key of [...this.#states.keys()]) this.set(key, undefined);
  }

  fieldOf(state: CachedState, field: string): string {
    const read = this.#fields[field];
    if (!read) throw new Error(`${this.#prefix} has no selectable field ${field}`);
    return read(state.object());
  }

  /** Where the keys of a selection are. */
  prefixOf({ namespace }: Selection): string {
    return namespace && this.#namespaced ? `${this.#prefix}${namespace}/` : this.#prefix;
  }

  selects(selection: Selection, state: CachedState): boolean {
    const { namespace, name, where, match } = selection;
    if (namespace && state.namespace !== namespace) return false;
    if (name !== undefined && state.name !== name) return false;
    if (where && this.fieldOf(state, where.field) !== where.equals) return false;
    return match ? match(state) : true;
  }

  /** Keys that may be selected, in order, behind `after`. */
  candidates(selection: Selection, after?: string): Iterable<string> {
    const { name, where } = selection;
    const prefix = this.prefixOf(selection);
    const behind = (key: string) => after === undefined || key > after;
    if (name !== undefined && (selection.namespace || !this.#namespaced)) return [`${prefix}${name}`].filter(behind);
    if (!where) return this.keys.under(prefix, after);
    const found = this.#index(where.field).get(where.equals) ?? [];
    return [...found].filter((key) => key.startsWith(prefix) && behind(key)).sort(byCodeUnit);
  }

  #index(field: string): Map<string, Set<string>> {
    let index = this.#indexes.get(field);
    if (index) return index;
    index = new Map();
    for (const now of this.#states.values()) this.#reindex(index, field, { before: undefined, now });
    this.#indexes.set(field, index);
    return index;
  }

  #reindex(
    index: Map<string, Set<string>>,
    field: string,
    { before, now }: { before: CachedState | undefined; now: CachedState | undefined },
  ): void {
    const was = before && this.fieldOf(before, field);
    const is = now && this.fieldOf(now, field);
    if (was === is) return;
    if (before && was !== undefined) {
      const keys = index.get(was);
      keys?.delete(before.key);
      if (keys?.size === 0) index.delete(was);
    }
    if (now && is !== undefined) {
      const keys = index.get(is);
      if (keys) keys.add(now.key);
      else index.set(is, new Set([now.key]));
    }
  }
}

export const byCodeUnit = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
