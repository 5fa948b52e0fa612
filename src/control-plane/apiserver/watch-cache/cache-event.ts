/** What watchers are sent. One change makes at most one event of each type, shared by all watchers with its bytes. */
import type { Revision } from '#control-plane/storage/storage.ts';
import type { CachedState } from './cached-state.ts';
import type { CacheEvent, CacheEventType, ServedForm } from './watch-cache.ts';

/** One change of one object, as it came from the store. */
export class Change {
  readonly revision: Revision;
  readonly before: CachedState | undefined;
  readonly now: CachedState | undefined;
  #added: CacheEvent | undefined;
  #modified: CacheEvent | undefined;
  #deleted: CacheEvent | undefined;

  constructor(revision: Revision, before: CachedState | undefined, now: CachedState | undefined) {
    this.revision = revision;
    this.before = before;
    this.now = now;
  }

  get key(): string {
    return (this.now ?? this.before)!.key;
  }

  /** What a watcher sees whose selection held (`was`) or holds (`is`); undefined: nothing. */
  eventFor(was: boolean, is: boolean): CacheEvent | undefined {
    if (is && was) {
      this.#modified ??= new ObjectEvent('MODIFIED', this.now!);
      return this.#modified;
    }
    if (is) {
      this.#added ??= new ObjectEvent('ADDED', this.now!);
      return this.#added;
    }
    if (was) this.#deleted ??= new ObjectEvent('DELETED', this.before!.deletedAt(this.revision));
    return was ? this.#deleted : undefined;
  }
}

/** Frames and what else is made of an event, per served form. */
abstract class Memoised {
  #made: WeakMap<ServedForm, Map<string, unknown>> | undefined;

  memo<T>(form: ServedForm, name: string, make: () => T): T {
    this.#made ??= new WeakMap();
    const made = this.#made.get(form) ?? new Map<string, unknown>();
    if (made.size === 0) this.#made.set(form, made);
    if (!made.has(name)) made.set(name, make());
    return made.get(name) as T;
  }
}

export class ObjectEvent extends Memoised implements CacheEvent {
  readonly type: CacheEventType;
  readonly object: CachedState;
  readonly initialEventsEnd = false;

  constructor(type: CacheEventType, object: CachedState) {
    super();
    this.type = type;
    this.object = object;
  }

  get revision(): Revision {
    return this.object.revision;
  }

  frame(form: ServedForm): Uint8Array {
    return this.memo(form, 'frame', () => {
      const head = `{"type":"${this.type}","object":`;
      const bytes = Buffer.allocUnsafeSlow(head.length + this.object.jsonLength(form) + 2);
      const end = this.object.copyJson(bytes, bytes.write(head, 'latin1'), form);
      bytes.write('}\n', end, 'latin1');
      return bytes;
    });
  }
}

export class Bookmark extends Memoised implements CacheEvent {
  readonly type = 'BOOKMARK';
  readonly object = undefined;
  readonly revision: Revision;
  readonly initialEventsEnd: boolean;

  constructor(revision: Revision, { initialEventsEnd = false } = {}) {
    super();
    this.revision = revision;
    this.initialEventsEnd = initialEventsEnd;
  }

  frame(form: ServedForm): Uint8Array {
    const { kind, apiVersion } = form;
    const annotations = this.initialEventsEnd ? { annotations: { 'k8s.io/initial-events-end': 'true' } } : {};
    const metadata = { resourceVersion: String(this.revision), ...annotations };
    return this.memo(form, 'frame', () =>
      Buffer.from(`${JSON.stringify({ type: this.type, object: { kind, apiVersion, metadata } })}\n`),
    );
  }
}
