/** When a test cluster has nothing left to do at its time. */
import type { Kind } from '#api/machinery/kind.ts';
import type { Components } from './components.ts';
import type { Faults } from './faults.ts';
import type { Gate } from './gate.ts';
import type { StoredView } from './stored-view.ts';
import type { TestClock } from './test-clock.ts';

/** Turns of the event loop without anything happening that count as rest. */
const QUIET_TURNS = 3;
/** Where requests wait for a time (a fault): who is still busy after so many of them waits for one, or for what it will bring. */
const QUIET_TURNS_WHERE_DELAYED = 50;
/** So many turns without rest are a loop. */
const MOST_TURNS = 200_000;

/** A turn of the event loop. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export interface RestParts {
  clock: TestClock;
  gate: Gate;
  faults: Faults;
  components: Components;
  view: StoredView;
}

export class Rest {
  readonly #parts: RestParts;
  /** The revision with which all informers had come up, and how many they were. */
  #caughtUp = { revision: 0, informers: 0 };
  readonly #lastChange: (kind: Kind) => number;
  #failure: { error: unknown } | undefined;

  constructor(parts: RestParts) {
    const { view } = parts;
    const lastChange = (kind: Kind) => view.lastChange(kind); // as it stands, not made old where it is kept (decision 27)
    this.#parts = parts;
    this.#lastChange = lastChange;
  }

  /** Makes the next `reached` throw. */
  fail(error: unknown): void {
    this.#failure ??= { error };
  }

  async reached(): Promise<void> {
    const { clock, view } = this.#parts;
    let quiet = 0;
    let needed: number | undefined = QUIET_TURNS;
    let { revision } = view;
    for (let turns = 0; needed === undefined || quiet < needed; turns++) {
      await turn();
      if (this.#failure) throw this.#failure.error;
      if (turns > MOST_TURNS) throw new Error(`the cluster does not settle: ${this.#unrest().slice(0, 5).join(', ')}`);
      if (clock.fireDue()) {
        quiet = 0;
        continue;
      }
      const isSame = revision === view.revision; // asked first: all others are asked of every component
      revision = view.revision;
      needed = isSame ? this.#quietTurnsNeeded() : undefined;
      const isQuiet = needed !== undefined && (await view.isCurrent()) && revision === view.revision;
      quiet = isQuiet ? quiet + 1 : 0;
    }
  }

  /** undefined: there is something left to do. */
  #quietTurnsNeeded(): number | undefined {
    if (this.#isNothingLeft()) return QUIET_TURNS;
    const { gate, faults } = this.#parts;
    const isAnyDelayed = faults.delayed + faults.delayedWatches > 0;
    return isAnyDelayed && gate.open <= faults.delayed ? QUIET_TURNS_WHERE_DELAYED : undefined;
  }

  /** Asked at every turn, mostly of a cluster that works. */
  #isNothingLeft(): boolean {
    const { gate, faults, components } = this.#parts;
    if (gate.open > faults.delayed) return false;
    for (const { busy } of components.running()) if (busy > 0) return false;
    return this.#informersBehind().length === 0;
  }

  /** What there is to wait for. */
  #unrest(): string[] {
    const { gate, faults, components } = this.#parts;
    const unrest: string[] = [];
    const open = gate.open - faults.delayed;
    if (open > 0) unrest.push(`${open} requests under way`);
    for (const { busy } of components.running()) if (busy > 0) unrest.push(`${busy} keys or events to work on`);
    if (unrest.length === 0) unrest.push(...this.#informersBehind());
    return unrest;
  }

  /** Who has come up with a revision stays so until there is another, or another informer. */
  #informersBehind(): string[] {
    const all = this.#parts.components.informers();
    let count = 0;
    for (const { size } of all) count += size;
    const { revision } = this.#parts.view;
    if (revision === this.#caughtUp.revision && count === this.#caughtUp.informers) return [];
    const behind: string[] = [];
    let isAnyPaused = false;
    for (const informers of all) {
      const of = informers.behind(this.#lastChange);
      isAnyPaused ||= of.isAnyPaused;
      for (const { plural } of of.kinds) behind.push(`an informer of ${plural} is behind`);
    }
    if (behind.length === 0 && !isAnyPaused) this.#caughtUp = { revision, informers: count };
    return behind;
  }
}
