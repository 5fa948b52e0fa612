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
    return this.memo(form, 'frame', () => frameOf(this, form));
  }

  frameLength(form: ServedForm): number {
    return this.frame(form).length;
  }

  copyFrame(target: Uint8Array, offset: number, form: ServedForm): number {
    return copied(this.frame(form), target, offset);
  }
}

/** An ADDED for what was there before the watch. One watcher gets it, once: nothing that is made of it is kept. */
export class InitialEvent implements CacheEvent {
  readonly type = 'ADDED';
  readonly object: CachedState;
  readonly initialEventsEnd = false;

  constructor(object: CachedState) {
    this.object = object;
  }

  get revision(): Revision {
    return this.object.revision;
  }

  memo<T>(_form: ServedForm, _name: string, make: () => T): T {
    return make();
  }

  frame(form: ServedForm): Uint8Array {
    return frameOf(this, form);
  }

  frameLength(form: ServedForm): number {
    return objectFrameLength(this, form);
  }

  copyFrame(target: Uint8Array, offset: number, form: ServedForm): number {
    return copyObjectFrame(this, form, { target, offset });
  }
}

type OfObject = Pick<ObjectEvent, 'type' | 'object'>;

const head = ({ type }: OfObject): string => `{"type":"${type}","object":`;
const TAIL = '}\n';

const objectFrameLength = (event: OfObject, form: ServedForm): number =>
  head(event).length + event.object.jsonLength(form) + TAIL.length;

function copyObjectFrame(
  event: OfObject,
  form: ServedForm,
  { target, offset }: { target: Uint8Array; offset: number },
): number {
  const buffer = Buffer.from(target.buffer, target.byteOffset, target.byteLength);
  const end = event.object.copyJson(target, offset + buffer.write(head(event), offset, 'latin1'), form);
  return end + buffer.write(TAIL, end, 'latin1');
}

/** In memory of its own: a slice of Node's pool would keep the whole pool alive. */
function frameOf(event: OfObject, form: ServedForm): Uint8Array {
  const bytes = Buffer.allocUnsafeSlow(objectFrameLength(event, form));
  copyObjectFrame(event, form, { target: bytes, offset: 0 });
  return bytes;
}

function copied(frame: Uint8Array, target: Uint8Array, offset: number): number {
  target.set(frame, offset);
  return offset + frame.length;
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

  frameLength(form: ServedForm): number {
    return this.frame(form).length;
  }

  copyFrame(target: Uint8Array, offset: number, form: ServedForm): number {
    return copied(this.frame(form), target, offset);
  }
}
