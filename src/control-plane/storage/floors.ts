/** How far history is forgotten, for each prefix that was ever compacted. Prefixes may lie within each other. */
import { Compacted, type Revision } from './storage.ts';

export class Floors {
  readonly #floors: Map<string, Revision>;

  constructor(floors: Iterable<readonly [string, Revision]> = []) {
    this.#floors = new Map(floors);
  }

  /** False when that much was forgotten before. */
  raise(prefix: string, revision: Revision): boolean {
    if (revision <= (this.#floors.get(prefix) ?? 0)) return false;
    this.#floors.set(prefix, revision);
    return true;
  }

  /** The oldest revision of which everything under `prefix` is still known: a wider or a narrower prefix may be shorter. */
  of(prefix: string): Revision {
    let highest = 0;
    for (const [compacted, revision] of this.#floors) {
      if (revision > highest && (prefix.startsWith(compacted) || compacted.startsWith(prefix))) highest = revision;
    }
    return highest;
  }

  /** @throws Compacted */
  refuseBelow(prefix: string, revision: Revision): void {
    const floor = this.of(prefix);
    if (revision < floor) throw new Compacted(floor);
  }
}
