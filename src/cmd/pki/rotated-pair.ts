/**
 * A certificate with its key in one file of its owner's, as kubelet-client-current.pem is upstream. It begins with what the
 * cluster gave; later it holds what was renewed. The one that is good for longer counts, so that either can be replaced.
 */
import { X509Certificate } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import type { KeyPair } from './certificate.ts';
import { readPrivate, writePrivate } from './private-file.ts';

export interface RotatedPairOptions {
  path: string;
  /** As the cluster gave it. */
  given: KeyPair;
  /** PEM: who must have signed what is in the file. */
  authority: string;
  nowMs: number;
}

export class RotatedPair {
  readonly path: string;
  #pair: KeyPair;

  constructor({ path, given, authority, nowMs }: RotatedPairOptions) {
    this.path = path;
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const kept = pairIn(readPrivate(path));
    const endOf = ({ certificate }: KeyPair) => Date.parse(new X509Certificate(certificate).validTo);
    const isGood = kept && endOf(kept) > Math.max(nowMs, endOf(given)) && isSignedBy(kept, authority);
    this.#pair = isGood ? kept : given;
    if (!isGood) this.#write();
  }

  get current(): KeyPair {
    return this.#pair;
  }

  replace(pair: KeyPair): void {
    this.#pair = pair;
    this.#write();
  }

  #write(): void {
    const { certificate, key } = this.#pair;
    writePrivate(this.path, `${certificate.trimEnd()}\n${key}`, true);
  }
}

function pairIn(text: string | undefined): KeyPair | undefined {
  const key = /-----BEGIN (?:EC )?PRIVATE KEY-----[^-]+-----END (?:EC )?PRIVATE KEY-----\n?/.exec(text ?? '')?.[0];
  const certificate = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n?/.exec(text ?? '')?.[0];
  return key && certificate ? { certificate, key } : undefined;
}

function isSignedBy({ certificate }: KeyPair, authority: string): boolean {
  return new X509Certificate(certificate).verify(new X509Certificate(authority).publicKey);
}
