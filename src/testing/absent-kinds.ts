/**
 * The kinds that a test cluster has nothing of, which are most of them: their informers begin to watch when the first object is
 * written, and see what they would have seen.
 */
import type { Kind, KindRegistry } from '#api/machinery/kind.ts';
import type { ResourceVersion } from '#api/machinery/object.ts';
import type { Absence } from '#client/absence.ts';
import type { StoredView } from './stored-view.ts';

type Over = () => Promise<void>;
type View = Pick<StoredView, 'revision' | 'lastChange' | 'onBegan'>;

/** No informer is told of anything within the turn of the store. */
const NOW = Promise.resolve();

export class AbsentKinds implements Absence {
  readonly #kinds: KindRegistry;
  readonly #view: View;
  /** By the storage prefix of a kind. */
  readonly #waiting = new Map<string, Over[]>();
  #isOver = false;
  #informed: Promise<unknown> | undefined;

  constructor({ kinds, view }: { kinds: KindRegistry; view: View }) {
    this.#kinds = kinds;
    this.#view = view;
    view.onBegan((prefix) => this.#ended(prefix));
  }

  of(kind: Kind, over: Over): ResourceVersion | undefined {
    if (this.#isOver || !this.#isOwn(kind) || this.#view.lastChange(kind) > 0) return undefined;
    const waiting = this.#waiting.get(kind.storagePrefix);
    if (waiting) waiting.push(over);
    else this.#waiting.set(kind.storagePrefix, [over]);
    return String(this.#view.revision);
  }

  /**
   * While informers begin to follow: resolves when they know the first objects. Who has written one is answered then, as it would
   * be if they had followed all the time.
   */
  get informed(): Promise<unknown> | undefined {
    return this.#informed;
  }

  /** All kinds are watched from now on, also where there is nothing: for who wants to meet watches. */
  endAll(): void {
    this.#isOver = true;
    for (const waiting of this.#waiting.values()) for (const over of waiting) void over();
    this.#waiting.clear();
  }

  /** Something stands under this prefix now. */
  #ended(prefix: string): void {
    const waiting = this.#waiting.get(prefix);
    if (!waiting) return;
    this.#waiting.delete(prefix);
    const before = this.#informed;
    const informed = Promise.all([before, ...waiting.map((over) => NOW.then(over))]).then(() => {
      if (this.#informed === informed) this.#informed = undefined;
    });
    this.#informed = informed;
  }

  /** What is not served, or defined while running, is asked for: an answer may be that it is missing. */
  #isOwn(kind: Kind): boolean {
    return !kind.custom && this.#kinds.byResource(kind.group, kind.version, kind.plural) === kind;
  }
}
