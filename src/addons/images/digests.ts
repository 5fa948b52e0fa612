/** Digests of content, by the algorithms that the OCI image specification registers. Source: its descriptor.md, "Digests". */
import { createHash } from 'node:crypto';

export type Algorithm = 'sha256' | 'sha512';

export const ALGORITHMS: readonly Algorithm[] = ['sha256', 'sha512'];

const DIGEST = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;

export const isDigest = (digest: string): boolean => DIGEST.test(digest);

/** Of a digest that is one. */
export const algorithmOf = (digest: string): Algorithm => (digest.startsWith('sha512:') ? 'sha512' : 'sha256');

/** Which of the two algorithms it is of, its length tells. */
export const hexOf = (digest: string): string => digest.slice(digest.indexOf(':') + 1);

export const digestWithHex = (hex: string): string => `${hex.length === 128 ? 'sha512' : 'sha256'}:${hex}`;

export const digestOf = (bytes: Uint8Array, algorithm: Algorithm = 'sha256'): string =>
  `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;
