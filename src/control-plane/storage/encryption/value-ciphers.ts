/** The ciphers of some resources in order: the first writes, all of them read. So keys are changed one after the other. */
import { identity, KeyPending, type ValueCipher } from './value-cipher.ts';

export interface OpenedValue {
  value: Uint8Array;
  /** It was sealed otherwise than it would be now. */
  isStale: boolean;
}

export class ValueCiphers {
  readonly #ciphers: readonly { cipher: ValueCipher; prefix: Buffer }[];

  /** At least one. */
  constructor(ciphers: readonly ValueCipher[]) {
    this.#ciphers = ciphers.map((cipher) => ({ cipher, prefix: Buffer.from(cipher.prefix) }));
  }

  get isPlain(): boolean {
    return this.#ciphers.every(({ cipher }) => cipher === identity);
  }

  seal(value: Uint8Array, key: string): Uint8Array {
    const { cipher, prefix } = this.#ciphers[0]!;
    const sealed = cipher.seal(value, key);
    return prefix.length === 0 ? sealed : Buffer.concat([prefix, sealed]);
  }

  /** Throws Error with the reason of the first that should have been able to; KeyPending. */
  open(stored: Uint8Array, key: string): OpenedValue {
    let problem: unknown;
    for (const [i, { cipher, prefix }] of this.#ciphers.entries()) {
      if (!prefix.equals(stored.subarray(0, prefix.length))) continue;
      try {
        const sealed = stored.subarray(prefix.length);
        return { value: cipher.open(sealed, key), isStale: i > 0 || (cipher.isStale?.(sealed) ?? false) };
      } catch (error) {
        if (error instanceof KeyPending) throw error;
        if (cipher !== identity) problem ??= error; // several may have the same prefix while keys are changed
      }
    }
    throw problem ?? new Error('no matching prefix found');
  }
}
