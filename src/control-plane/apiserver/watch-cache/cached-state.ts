/** One state of one object, as the watch cache holds it: the stored bytes, and what was made of them so far. */

import type { KubeObject } from '#api/machinery/object.ts';
import { deepFreeze } from '#base/deep-freeze.ts';
import type { Revision, Stored } from '#control-plane/storage/storage.ts';
import type { ParsedForms } from './parsed-forms.ts';
import {
  copySpliced,
  frozenWithRevision,
  slotOf,
  slotText,
  splice,
  takeEncoded,
  withRevision,
} from './stored-object.ts';
import type { CachedObject, ServedForm } from './watch-cache.ts';

/** What all states of one cache have in common. */
export interface StateContext {
  prefix: string;
  namespaced: boolean;
  decode(value: Uint8Array): KubeObject;
  /** undefined for states that are only passing by: they keep what they have made. */
  parsed?: ParsedForms;
}

/** What was made for one served form. */
interface Made {
  object?: KubeObject;
  json?: Uint8Array;
  memos?: Map<string, unknown>;
}

const UNKNOWN = -2;

export class CachedState implements CachedObject {
  readonly revision: Revision;
  readonly stored: Stored;
  /** Read since `ParsedForms` last looked. */
  used = false;
  readonly #context: StateContext;
  #slot = UNKNOWN;
  #hub: KubeObject | undefined;
  /** Components in this process may hold on to it: then it is still there for nothing. */
  #dropped: WeakRef<KubeObject> | undefined;
  #made: WeakMap<ServedForm, Made> | undefined;

  constructor(stored: Stored, context: StateContext, revision = stored.modRevision) {
    this.stored = stored;
    this.revision = revision;
    this.#context = context;
    if (stored.deferred) {
      this.#hub = frozenWithRevision(stored.deferred.object as KubeObject, revision); // nearly all of it is the store's own
      return;
    }
    const encoded = takeEncoded(stored.value);
    if (!encoded) return;
    this.#hub = frozenWithRevision(encoded, revision);
    context.parsed?.written(this);
  }

  /** Of what is stored, in bytes. */
  get size(): number {
    return this.stored.deferred?.size ?? this.stored.value.length;
  }

  get key(): string {
    return this.stored.key;
  }

  // Read from the key when they are asked for: kept, they would be a tenth of what each object takes beside its bytes.

  get namespace(): string {
    return this.stored.key.slice(this.#context.prefix.length, Math.max(this.#context.prefix.length, this.#nameAt - 1));
  }

  get name(): string {
    return this.stored.key.slice(this.#nameAt);
  }

  get #nameAt(): number {
    const { prefix, namespaced } = this.#context;
    return namespaced ? this.stored.key.indexOf('/', prefix.length) + 1 : prefix.length;
  }

  /** The same state under the revision at which it was deleted. */
  deletedAt(revision: Revision): CachedState {
    const deleted = new CachedState(this.stored, { ...this.#context, parsed: undefined }, revision);
    const hub = this.#hub ?? this.#dropped?.deref();
    if (hub) deleted.#hub ??= frozenWithRevision(hub, revision);
    return deleted;
  }

  object(form?: ServedForm): KubeObject {
    this.used = true;
    const hub = this.#hub ?? this.#dropped?.deref() ?? this.#parsed();
    if (!form?.convert) return hub;
    const made = this.#madeFor(form);
    made.object ??= deepFreeze(form.convert(hub));
    return made.object;
  }

  json(form: ServedForm, memory?: (length: number) => Buffer): Uint8Array {
    const slot = this.#slotFor(form);
    if (slot < 0) return this.#encoded(form);
    return splice(this.stored.value, this.revision, memory ? { slot, memory } : { slot });
  }

  jsonLength(form: ServedForm): number {
    const slot = this.#slotFor(form);
    if (slot < 0) return this.#encoded(form).length;
    return this.stored.value.length + slotText(this.stored.value, slot, this.revision).length;
  }

  copyJson(target: Uint8Array, offset: number, form: ServedForm): number {
    const { value } = this.stored;
    const slot = this.#slotFor(form);
    if (slot >= 0) return copySpliced(value, { slot, text: slotText(value, slot, this.revision) }, { target, offset });
    const json = this.#encoded(form);
    target.set(json, offset);
    return offset + json.length;
  }

  memo<T>(form: ServedForm, name: string, make: () => T): T {
    const made = this.#madeFor(form);
    made.memos ??= new Map();
    if (!made.memos.has(name)) made.memos.set(name, make());
    return made.memos.get(name) as T;
  }

  /** The bytes stay; the next reader parses them again. */
  dropParsed(): void {
    if (this.#hub) this.#dropped = new WeakRef(this.#hub);
    this.#hub = undefined;
    this.#made = undefined;
  }

  /** Below 0: these bytes are not what is sent, the object has to be serialised. */
  #slotFor(form: ServedForm): number {
    if (form.convert) return -1;
    if (this.#slot === UNKNOWN) this.#slot = slotOf(this.stored.value);
    return this.#slot;
  }

  #encoded(form: ServedForm): Uint8Array {
    const made = this.#madeFor(form);
    made.json ??= Buffer.from(JSON.stringify(this.object(form)));
    return made.json;
  }

  #madeFor(form: ServedForm): Made {
    this.#made ??= new WeakMap();
    const there = this.#made.get(form);
    if (there) return there;
    const made = {};
    this.#made.set(form, made);
    return made;
  }

  #parsed(): KubeObject {
    this.#hub = deepFreeze(withRevision(this.#context.decode(this.stored.value), this.revision));
    this.#dropped = undefined;
    this.#context.parsed?.kept(this);
    return this.#hub;
  }
}
