/**
 * Values sealed with keys that a key management plugin protects. The plugin seals one random seed; for each value a key of
 * its own is derived from it. What is stored names the plugin's key and holds the sealed seed, so that any server with that
 * plugin can read it. When the plugin has a new key there is a new seed, and what was written before is stale.
 * Source: KEP-3299; layouts, limits and texts of upstream's `envelope/kmsv2` and `encryptionconfig`.
 */
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { dns1123Subdomain } from '#api/machinery/names.ts';
import type { Clock } from '#base/clock.ts';
import { type Annotated, type DekSourceType, type EncryptedObject, type KmsMethods, kmsMethods } from './kms-api.ts';
import type { KmsPlugin } from './kms-plugin.ts';
import { aesGcm, KeyPending, type ValueCipher } from './value-cipher.ts';

const SEED_BYTES = 32;
const INFO_BYTES = 32;
const SEED: DekSourceType = 1;
/** So long values may be written after the plugin has answered last. */
const WRITE_MS = 3 * 60 * 1000;
const [HEALTHY_TTL_MS, UNHEALTHY_TTL_MS] = [20_000, 3_000];
const MAX_CACHED = 1000;
const [MAX_KEY_ID, MAX_SOURCE, MAX_ANNOTATIONS] = [1024, 1024, 32 * 1024];

interface Sealing extends Omit<EncryptedObject, 'encryptedData'> {
  cipher: Sealer;
  /** Until when it may be written with, monotonic. */
  until: number;
}

interface Sealer {
  seal(value: Uint8Array, key: string): Uint8Array;
  open(sealed: Uint8Array, key: string): Uint8Array;
}

export interface KmsProviderOptions {
  name: string;
  plugin: KmsPlugin;
  clock: Clock;
}

export class KmsProvider {
  readonly name: string;
  readonly #plugin: KmsPlugin;
  readonly #clock: Clock;
  readonly #message: KmsMethods['stored'];
  readonly #opened = new Map<string, Sealer>();
  readonly #pending = new Map<string, Promise<void>>();
  #sealing: Sealing | undefined;
  #checked: { at: number; ttl: number; result: Promise<void> } | undefined;
  #version = '';
  /** Called when the plugin's key is another one: what was written before is stale from now on. */
  onKeyChange: () => void = () => undefined;

  constructor({ name, plugin, clock }: KmsProviderOptions) {
    this.name = name;
    this.#plugin = plugin;
    this.#clock = clock;
    this.#message = kmsMethods().stored;
  }

  cipher(): ValueCipher {
    return {
      prefix: `k8s:enc:kms:v2:${this.name}:`,
      seal: (value, key) => this.#seal(value, key),
      open: (sealed, key) => this.#open(sealed, key),
      isStale: (sealed) => this.#isStale(sealed),
    };
  }

  /** Asks the plugin, unless it was asked a moment ago. Throws Error with what is wrong. */
  check(): Promise<void> {
    const now = this.#clock.monotonicMs();
    const last = this.#checked;
    if (last && now - last.at < last.ttl) return last.result;
    const checked = { at: now, ttl: HEALTHY_TTL_MS, result: this.#probe() };
    checked.result.catch(() => {
      checked.ttl = UNHEALTHY_TTL_MS;
    });
    this.#checked = checked;
    return checked.result;
  }

  close(): void {
    this.#plugin.close();
  }

  async #probe(): Promise<void> {
    const {
      version,
      healthz,
      key_id: keyId,
    } = await this.#plugin.status().catch((error: Error) => {
      throw new Error(
        `failed to perform status section of the healthz check for KMS Provider ${this.name}, error: ${error.message}`,
      );
    });
    const problems: string[] = [];
    if (healthz !== 'ok') problems.push(`got unexpected healthz status: ${healthz}`);
    if (version !== 'v2' && version !== 'v2beta1') problems.push(`expected KMSv2 API version v2, got ${version}`);
    else if (this.#version && this.#version !== version)
      problems.push(
        `KMSv2 API version should not change after the initial status response version ${this.#version}, got ${version}`,
      );
    else this.#version = version;
    const badKey = keyIdProblem(keyId);
    if (badKey) problems.push(`got invalid KMSv2 KeyID hash ${JSON.stringify(hashOf(keyId))}: ${badKey}`);
    else await this.#rotate(keyId).catch((error: Error) => problems.push(error.message));
    if (problems.length === 0) return;
    const all = problems.length === 1 ? problems[0] : `[${problems.join(', ')}]`;
    throw new Error(`kmsv2 Provider ${this.name} is not healthy, error: ${all}`);
  }

  async #rotate(keyId: string): Promise<void> {
    const until = this.#clock.monotonicMs() + WRITE_MS;
    const before = this.#sealing;
    if (before?.keyID === keyId) {
      this.#sealing = { ...before, until };
      return;
    }
    const seed = randomBytes(SEED_BYTES);
    const {
      ciphertext,
      key_id: usedKey,
      annotations,
    } = await this.#plugin.encrypt(seed).catch((error: Error) => {
      throw new Error(`failed to rotate DEK, errGen=failed to encrypt DEK, error: ${error.message}`);
    });
    const sealing = { keyID: usedKey, encryptedDEKSource: ciphertext, annotations, encryptedDEKSourceType: SEED };
    const problem = problemOf({ ...sealing, encryptedData: Buffer.alloc(1) });
    if (problem) throw new Error(`failed to rotate DEK, errGen=${problem}`);
    if (usedKey !== keyId)
      throw new Error(
        `failed to rotate DEK, statusKeyIDHash=${JSON.stringify(hashOf(keyId))}, encryptKeyIDHash=${JSON.stringify(hashOf(usedKey))}`,
      );
    this.#sealing = { ...sealing, cipher: derivingSealer(seed), until };
    this.#keep(sourceKey(sealing), this.#sealing.cipher);
    if (before) this.onKeyChange();
  }

  #seal(value: Uint8Array, key: string): Uint8Array {
    const sealing = this.#sealing;
    if (!sealing) throw new Error('got unexpected nil transformer');
    const over = this.#clock.monotonicMs() - sealing.until;
    if (over > 0) {
      const [expired, now] = [over, 0].map((ago) => new Date(this.#clock.now() - ago).toISOString().slice(0, 19));
      throw new Error(
        `encryptedDEKSource with keyID hash ${JSON.stringify(hashOf(sealing.keyID))} expired at ${expired}Z (current time is ${now}Z)`,
      );
    }
    const { cipher, until: _, ...named } = sealing;
    return this.#message.requestSerialize({ ...named, encryptedData: Buffer.from(cipher.seal(value, key)) });
  }

  /** Throws KeyPending while the plugin is asked for the seed. */
  #open(sealed: Uint8Array, key: string): Uint8Array {
    const object = this.#decoded(sealed);
    const source = sourceKey(object);
    const sealer = this.#opened.get(source);
    if (sealer) return sealer.open(object.encryptedData, key);
    throw new KeyPending(this.#unseal(source, object));
  }

  #isStale(sealed: Uint8Array): boolean {
    const { keyID, encryptedDEKSourceType: type } = this.#decoded(sealed);
    return keyID !== this.#sealing?.keyID || type !== this.#sealing.encryptedDEKSourceType;
  }

  #decoded(sealed: Uint8Array): EncryptedObject {
    const object = this.#message.responseDeserialize(Buffer.from(sealed));
    const problem = problemOf(object);
    if (problem) throw new Error(problem);
    return object;
  }

  /** One question for all values under the same seed. */
  #unseal(source: string, object: EncryptedObject): Promise<void> {
    const asked = this.#pending.get(source);
    if (asked) return asked;
    const { encryptedDEKSource, keyID, annotations, encryptedDEKSourceType: type } = object;
    const asking = this.#plugin
      .decrypt(encryptedDEKSource, { key_id: keyID, annotations })
      .then((secret) => this.#keep(source, sealerOf(type, secret)))
      .catch((error: Error) => {
        throw new Error(`failed to decrypt DEK, error: ${error.message}`);
      })
      .finally(() => this.#pending.delete(source));
    this.#pending.set(source, asking);
    return asking;
  }

  #keep(source: string, sealer: Sealer): void {
    if (this.#opened.size >= MAX_CACHED) this.#opened.delete(this.#opened.keys().next().value as string);
    this.#opened.set(source, sealer);
  }
}

function sealerOf(type: DekSourceType, secret: Uint8Array): Sealer {
  if (type === SEED && secret.length < SEED_BYTES)
    throw new Error(`invalid seed length ${secret.length} used for key generation`);
  return type === SEED ? derivingSealer(secret) : aesGcm({ name: '', secret });
}

/** A key for each value: HKDF's expansion of the seed (RFC 5869, SHA-256, one block) with random information, which stands first. */
function derivingSealer(seed: Uint8Array): Sealer {
  const cipherFor = (info: Uint8Array) =>
    aesGcm({ name: '', secret: createHmac('sha256', seed).update(info).update(Buffer.of(1)).digest() });
  return {
    seal(value, key) {
      const info = randomBytes(INFO_BYTES);
      return Buffer.concat([info, cipherFor(info).seal(value, key)]);
    },
    open(sealed, key) {
      if (sealed.length < INFO_BYTES) throw new Error('the stored data was shorter than the required size');
      return cipherFor(sealed.subarray(0, INFO_BYTES)).open(sealed.subarray(INFO_BYTES), key);
    },
  };
}

type Source = Omit<EncryptedObject, 'encryptedData'>;

/** What tells one seed from another. */
function sourceKey({ keyID, encryptedDEKSource, annotations, encryptedDEKSourceType }: Source): string {
  const hash = createHash('sha256');
  const add = (part: string | Uint8Array) => hash.update(`${Buffer.byteLength(part)}:`).update(part);
  add(String(encryptedDEKSourceType));
  add(keyID);
  add(encryptedDEKSource);
  for (const name of Object.keys(annotations).sort()) {
    add(name);
    add(annotations[name]!);
  }
  return hash.digest('base64');
}

function problemOf({ encryptedData, ...source }: EncryptedObject): string | undefined {
  const {
    encryptedDEKSourceType: type,
    encryptedDEKSource: { length },
  } = source;
  if (type !== 0 && type !== 1) return `unknown encryptedDEKSourceType: ${type}`;
  if (encryptedData.length === 0) return 'encrypted data is empty';
  const dek = 'failed to validate encrypted DEK source: encrypted DEK source is';
  if (length === 0) return `${dek} empty`;
  if (length > MAX_SOURCE) return `${dek} ${length} bytes, which exceeds the max size of ${MAX_SOURCE}`;
  const keyId = keyIdProblem(source.keyID);
  if (keyId) return `failed to validate key id: ${keyId}`;
  const annotations = annotationsProblem(source);
  return annotations && `failed to validate annotations: ${annotations}`;
}

function keyIdProblem(keyId: string): string | undefined {
  const length = Buffer.byteLength(keyId);
  if (length === 0) return 'keyID is empty';
  return length > MAX_KEY_ID ? `keyID is ${length} bytes, which exceeds the max size of ${MAX_KEY_ID}` : undefined;
}

function annotationsProblem({ annotations }: Pick<Annotated, 'annotations'>): string | undefined {
  let size = 0;
  for (const [name, value] of Object.entries(annotations)) {
    const [complaint] = dns1123Subdomain(name);
    if (complaint) return `annotations: Invalid value: ${JSON.stringify(name)}: ${complaint}`;
    if (!name.includes('.'))
      return `annotations: Invalid value: ${JSON.stringify(name)}: should be a domain with at least two segments separated by dots`;
    size += Buffer.byteLength(name) + value.length;
  }
  return size > MAX_ANNOTATIONS
    ? `total size of annotations is ${size}, which exceeds the max size of ${MAX_ANNOTATIONS}`
    : undefined;
}

/** Ids of keys may say too much: messages show what cannot be read back. */
const hashOf = (text: string): string =>
  text === '' ? '' : `sha256:${createHash('sha256').update(text).digest('hex')}`;
