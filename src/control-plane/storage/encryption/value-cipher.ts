/**
 * How the value of a key is sealed and opened. What is stored begins with the name of the cipher and of the key, so that it
 * can be read when others write. Layouts are upstream's: a store can move between the two. Source: documentation,
 * "Encrypting Confidential Data at Rest"; upstream's storage/value/encrypt.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { xsalsa20poly1305 } from '@noble/ciphers/salsa.js';

export interface ValueCipher {
  /** `k8s:enc:aescbc:v1:key1:`; '' for what is not sealed. */
  readonly prefix: string;
  /** What stands behind the prefix. `key` is the storage key, which authenticated ciphers bind the value to. */
  seal(value: Uint8Array, key: string): Uint8Array;
  /** Throws Error with the reason, or KeyPending. */
  open(sealed: Uint8Array, key: string): Uint8Array;
  /** Whether it would be sealed otherwise now, as far as the cipher itself can tell. */
  isStale?(sealed: Uint8Array): boolean;
}

/** What is to be opened needs a key that is being asked for: try again when `asked` resolves. It rejects with the reason. */
export class KeyPending extends Error {
  readonly code = 'KeyPending';
  readonly asked: Promise<void>;

  constructor(asked: Promise<void>) {
    super('the key is being asked for');
    this.asked = asked;
  }
}

export interface NamedKey {
  name: string;
  secret: Uint8Array;
}

const TOO_SHORT = 'the stored data was shorter than the required size';
const AES_BLOCK = 16;

/** AES in CBC mode with PKCS#7 padding; the vector stands first. Not authenticated: whoever may write to the store may change values. */
export function aesCbc({ name, secret }: NamedKey): ValueCipher {
  const cipher = `aes-${secret.length * 8}-cbc`;
  return {
    prefix: `k8s:enc:aescbc:v1:${name}:`,
    seal(value) {
      const vector = randomBytes(AES_BLOCK);
      const sealing = createCipheriv(cipher, secret, vector);
      return Buffer.concat([vector, sealing.update(value), sealing.final()]);
    },
    open(sealed) {
      if (sealed.length < AES_BLOCK) throw new Error(TOO_SHORT);
      if (sealed.length % AES_BLOCK !== 0) throw new Error('the stored data is not a multiple of the block size');
      if (sealed.length === AES_BLOCK) throw new Error('invalid PKCS7 data (empty or not padded)');
      const opening = createDecipheriv(cipher, secret, sealed.subarray(0, AES_BLOCK));
      return opened('invalid padding on input', () => [opening.update(sealed.subarray(AES_BLOCK)), opening.final()]);
    },
  };
}

const GCM_NONCE = 12;
const GCM_TAG = 16;

/** AES in GCM mode: nonce, sealed value, tag. The key must be changed every 200,000 writes: nonces are random. */
export function aesGcm({ name, secret }: NamedKey): ValueCipher {
  const cipher = `aes-${secret.length * 8}-gcm` as 'aes-256-gcm';
  return {
    prefix: `k8s:enc:aesgcm:v1:${name}:`,
    seal(value, key) {
      const nonce = randomBytes(GCM_NONCE);
      const sealing = createCipheriv(cipher, secret, nonce).setAAD(Buffer.from(key));
      return Buffer.concat([nonce, sealing.update(value), sealing.final(), sealing.getAuthTag()]);
    },
    open(sealed, key) {
      if (sealed.length < GCM_NONCE + GCM_TAG) throw new Error(TOO_SHORT);
      const opening = createDecipheriv(cipher, secret, sealed.subarray(0, GCM_NONCE), { authTagLength: GCM_TAG });
      opening.setAAD(Buffer.from(key)).setAuthTag(sealed.subarray(-GCM_TAG));
      const body = sealed.subarray(GCM_NONCE, -GCM_TAG);
      return opened('cipher: message authentication failed', () => [opening.update(body), opening.final()]);
    },
  };
}

const BOX_NONCE = 24;
const BOX_TAG = 16;

/** NaCl's secretbox, XSalsa20 with Poly1305: nonce, tag, sealed value. */
export function secretbox({ name, secret }: NamedKey): ValueCipher {
  return {
    prefix: `k8s:enc:secretbox:v1:${name}:`,
    seal(value) {
      const nonce = randomBytes(BOX_NONCE);
      return Buffer.concat([nonce, xsalsa20poly1305(secret, nonce).encrypt(value)]);
    },
    open(sealed) {
      if (sealed.length < BOX_NONCE + BOX_TAG) throw new Error(TOO_SHORT);
      const box = xsalsa20poly1305(secret, sealed.subarray(0, BOX_NONCE));
      return opened('output array was not large enough for encryption', () => [
        box.decrypt(sealed.subarray(BOX_NONCE)),
      ]);
    },
  };
}

const SEALED_START = Buffer.from('k8s:enc:');

/** Values as they are. Does not take what another cipher has sealed for a value. */
export const identity: ValueCipher = {
  prefix: '',
  seal: (value) => value,
  open(sealed) {
    if (SEALED_START.equals(sealed.subarray(0, SEALED_START.length)))
      throw new Error('identity transformer tried to read encrypted data');
    return sealed;
  },
};

/** In memory of its own: what is opened is kept for as long as the object is. */
function opened(problem: string, parts: () => Uint8Array[]): Uint8Array {
  try {
    const all = parts();
    const value = Buffer.allocUnsafeSlow(all.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const part of all) {
      value.set(part, at);
      at += part.length;
    }
    return value;
  } catch (error) {
    throw new Error(problem, { cause: error });
  }
}
