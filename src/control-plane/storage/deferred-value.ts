/**
 * A value of which the bytes are made when somebody first reads them: who keeps everything in this process, and is asked for
 * objects only, needs none. Not for a store that has to write them down anyway.
 */
import type { Revision, Stored } from './storage.ts';

export class DeferredValue {
  /** What the value says. Never changed by anybody. */
  readonly object: object;
  /** How many bytes it takes, about. */
  readonly size: number;
  readonly #encode: (object: object) => Uint8Array;
  #bytes: Uint8Array | undefined;

  constructor(object: object, { size, encode }: { size: number; encode: (object: object) => Uint8Array }) {
    this.object = object;
    this.size = size;
    this.#encode = encode;
  }

  get bytes(): Uint8Array {
    this.#bytes ??= this.#encode(this.object);
    return this.#bytes;
  }
}

/** The writer has seen that it is not the same as what stands there: it is not compared again. */
export class DeferredPut {
  readonly put: string;
  readonly deferred: DeferredValue;

  constructor(put: string, deferred: DeferredValue) {
    this.put = put;
    this.deferred = deferred;
  }

  get value(): Uint8Array {
    return this.deferred.bytes;
  }
}

export class DeferredStored implements Stored {
  readonly key: string;
  readonly createRevision: Revision;
  readonly modRevision: Revision;
  readonly #deferred: DeferredValue;

  constructor(
    key: string,
    deferred: DeferredValue,
    { createRevision, modRevision }: Pick<Stored, 'createRevision' | 'modRevision'>,
  ) {
    this.key = key;
    this.createRevision = createRevision;
    this.modRevision = modRevision;
    this.#deferred = deferred;
  }

  // Of the class: a copy that has another value (`{ ...stored, value }`) is not deferred.

  get value(): Uint8Array {
    return this.#deferred.bytes;
  }

  get deferred(): DeferredValue {
    return this.#deferred;
  }
}
