/** The cluster's names as they are now. A Service's records are replaced as a whole, so no stale one can stay behind. */
import { isEqual } from '#api/machinery/equal.ts';
import type { DnsRecord } from './records.ts';

export class Zone {
  /** `cluster.local`, lower case. */
  readonly domain: string;
  readonly #byName = new Map<string, Set<DnsRecord>>();
  readonly #byOwner = new Map<string, readonly DnsRecord[]>();
  /** How many names have this one as an ancestor: an empty non-terminal exists, it only has no records (RFC 8020). */
  readonly #ancestors = new Map<string, number>();

  readonly #listeners: ((name: string) => void)[] = [];

  constructor(domain: string) {
    this.domain = domain.toLowerCase();
  }

  replace(owner: string, records: readonly DnsRecord[]): void {
    const before = this.#byOwner.get(owner) ?? [];
    if (isEqual(before, records)) return;
    for (const record of before) this.#remove(record);
    if (records.length === 0) this.#byOwner.delete(owner);
    else this.#byOwner.set(owner, records);
    for (const record of records) this.#add(record);
    if (this.#listeners.length === 0) return;
    const touched = new Set<string>();
    for (const { name } of [...before, ...records]) {
      touched.add(name);
      for (const ancestor of ancestorsOf(name)) touched.add(ancestor);
    }
    for (const name of touched) for (const listener of this.#listeners) listener(name);
  }

  /** Told of each name, as `at` and `has` take it, of which something else may hold from now on. */
  onChange(listener: (name: string) => void): void {
    this.#listeners.push(listener);
  }

  /** @param name relative to the domain, or a whole reverse name; lower case. */
  at(name: string): DnsRecord[] {
    return [...(this.#byName.get(name) ?? [])];
  }

  /** Whether the name exists, with or without records of its own. */
  has(name: string): boolean {
    return this.#byName.has(name) || this.#ancestors.has(name);
  }

  #add(record: DnsRecord): void {
    const at = this.#byName.get(record.name);
    if (at) at.add(record);
    else this.#byName.set(record.name, new Set([record]));
    for (const name of ancestorsOf(record.name)) this.#ancestors.set(name, (this.#ancestors.get(name) ?? 0) + 1);
  }

  #remove(record: DnsRecord): void {
    const at = this.#byName.get(record.name);
    at?.delete(record);
    if (at?.size === 0) this.#byName.delete(record.name);
    for (const name of ancestorsOf(record.name)) {
      const count = (this.#ancestors.get(name) ?? 0) - 1;
      if (count > 0) this.#ancestors.set(name, count);
      else this.#ancestors.delete(name);
    }
  }
}

function* ancestorsOf(name: string): Generator<string> {
  for (let dot = name.indexOf('.'); dot !== -1; dot = name.indexOf('.', dot + 1)) yield name.slice(dot + 1);
}
