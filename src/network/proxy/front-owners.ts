/**
 * Who has an address and port that several want: two Services with one external address, or a node port and a host port. Upstream
 * leaves that to chance. Here every node gives it to the same one: the oldest, so that nobody takes what another has already.
 * When that goes, or wants it no more, the next has it with the same change.
 */
import { type Front, keyOf, type Wanted } from './fronts.ts';

export interface Settled {
  /** What is to be put in force: what changed, and whoever has more or less because of it. No front is in it twice. */
  changes: ReadonlyMap<string, Wanted | undefined>;
  /** To be called when it is in force; without that it is among the next changes, too. */
  applied(): void;
}

export class FrontOwners {
  readonly #wanted = new Map<string, Wanted>();
  /** By front: who has it. */
  readonly #owners = new Map<string, string>();
  /** By front: all that want it, the owner first; only where that are, or were, several, or one more than once. */
  readonly #claims = new Map<string, string[]>();
  /** Whose rules are to be put. */
  readonly #due = new Set<string>();

  /** @param changes what each Service (or pod with host ports) wants from now on; undefined: it is gone. */
  settle(changes: ReadonlyMap<string, Wanted | undefined>): Settled {
    for (const [key, wanted] of changes) {
      for (const front of this.#wanted.get(key)?.fronts ?? []) this.#release(keyOf(front), key);
      if (wanted) this.#wanted.set(key, wanted);
      else this.#wanted.delete(key);
      for (const front of wanted?.fronts ?? []) this.#claim(keyOf(front), key);
      this.#due.add(key);
    }
    return {
      changes: new Map([...this.#due].map((key) => [key, this.#partOf(key)])),
      applied: () => this.#due.clear(),
    };
  }

  #claim(front: string, key: string): void {
    const owner = this.#owners.get(front);
    if (owner === undefined) {
      this.#owners.set(front, key);
      return;
    }
    const others = (this.#claims.get(front) ?? [owner]).filter((other) => other !== key);
    this.#share(front, [...others, key].sort(this.#orderFor(front)));
  }

  #release(front: string, key: string): void {
    const claims = this.#claims.get(front);
    if (claims)
      this.#share(
        front,
        claims.filter((other) => other !== key),
      );
    else if (this.#owners.get(front) === key) this.#owners.delete(front);
  }

  #share(front: string, claims: string[]): void {
    const [before, owner] = [this.#owners.get(front), claims[0]];
    this.#claims.set(front, claims);
    if (owner === undefined) {
      this.#claims.delete(front);
      this.#owners.delete(front);
      return;
    }
    this.#owners.set(front, owner);
    if (owner === before) return;
    this.#due.add(owner);
    if (before !== undefined) this.#due.add(before);
  }

  /** Its own address is a Service's, whoever else wants it; else the oldest, and of those the first by name. */
  #orderFor(front: string): (one: string, other: string) => number {
    const isForeign = (key: string) => {
      const { fronts = [], clusterIPs = [] } = this.#wanted.get(key) ?? {};
      const ip = fronts.find((each) => keyOf(each) === front)?.ip;
      return ip === undefined || !clusterIPs.includes(ip) ? 1 : 0;
    };
    const since = (key: string) => this.#wanted.get(key)?.since ?? '';
    return (one, other) =>
      isForeign(one) - isForeign(other) || compared(since(one), since(other)) || compared(one, other);
  }

  #partOf(key: string): Wanted | undefined {
    const wanted = this.#wanted.get(key);
    if (!wanted || this.#claims.size === 0) return wanted;
    const fronts = new Map<string, Front>();
    for (const front of wanted.fronts) {
      const at = keyOf(front);
      if (this.#owners.get(at) === key && !fronts.has(at)) fronts.set(at, front);
    }
    return fronts.size === wanted.fronts.length ? wanted : { ...wanted, fronts: [...fronts.values()] };
  }
}

const compared = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0);
