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

interface Claim {
  key: string;
  /** The least has it. */
  rank: string;
}

export class FrontOwners {
  readonly #wanted = new Map<string, Wanted>();
  /** By front: who has it. */
  readonly #owners = new Map<string, string>();
  /** By front: all that want it, the owner first; only where that are, or were, several, or one more than once. */
  readonly #claims = new Map<string, Claim[]>();
  /** Whose rules are to be put. */
  readonly #due = new Set<string>();

  /** @param changes what each Service (or pod with host ports) wants from now on; undefined: it is gone. */
  settle(changes: ReadonlyMap<string, Wanted | undefined>): Settled {
    for (const [key, wanted] of changes) {
      for (const front of this.#wanted.get(key)?.fronts ?? []) this.#release(front, key);
      if (wanted) this.#wanted.set(key, wanted);
      else this.#wanted.delete(key);
      for (const front of wanted?.fronts ?? []) this.#claim(front, key);
      this.#due.add(key);
    }
    return {
      changes: new Map([...this.#due].map((key) => [key, this.#partOf(key)])),
      applied: () => this.#due.clear(),
    };
  }

  #claim(front: Front, key: string): void {
    const at = keyOf(front);
    const owner = this.#owners.get(at);
    if (owner === undefined) {
      this.#owners.set(at, key);
      return;
    }
    const claims = this.#claims.get(at) ?? [this.#claimOf(owner, front)];
    const claim = this.#claimOf(key, front);
    const place = placeOf(claim, claims);
    if (claims[place]?.key !== key) claims.splice(place, 0, claim);
    this.#share(at, claims);
  }

  #release(front: Front, key: string): void {
    const at = keyOf(front);
    const claims = this.#claims.get(at);
    if (!claims) {
      if (this.#owners.get(at) === key) this.#owners.delete(at);
      return;
    }
    const place = placeOf(this.#claimOf(key, front), claims);
    if (claims[place]?.key === key) claims.splice(place, 1);
    this.#share(at, claims);
  }

  #share(front: string, claims: Claim[]): void {
    const [before, owner] = [this.#owners.get(front), claims[0]?.key];
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
  #claimOf(key: string, { ip }: Front): Claim {
    const { since = '', clusterIPs = [] } = this.#wanted.get(key) ?? {};
    const isForeign = ip === undefined || !clusterIPs.includes(ip);
    return { key, rank: `${isForeign ? 1 : 0} ${since} ${key}` };
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

/** Where it is, or is to be put, among those that want the same: thousands may. */
function placeOf({ rank }: Claim, claims: readonly Claim[]): number {
  let [from, to] = [0, claims.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((claims[middle] as Claim).rank < rank) from = middle + 1;
    else to = middle;
  }
  return from;
}
