/** Who a process says it is: a client certificate or a bearer token, from memory or from files that are renewed under it. */
import { readFileSync, statSync } from 'node:fs';
import type { Clock } from '#base/clock.ts';
import { Unreachable } from '../transport.ts';

export interface ClientCredentials {
  /** PEM. */
  certificate?: { cert: string; key: string } | { certFile: string; keyFile: string };
  token?: string;
  tokenFile?: string;
}

/** How often files are looked at for a newer content. Source: client-go, cached token source and certificate rotation. */
const LOOK_EVERY_MS = 60_000;

/** Reads the files again when they have changed, at most once a minute. */
export class CurrentCredentials {
  readonly #credentials: ClientCredentials;
  readonly #clock: Clock;
  #token = '';
  #lookedMs = Number.NEGATIVE_INFINITY;
  #certificateMtimeMs = 0;
  #generation = 0;

  constructor(credentials: ClientCredentials, clock: Clock) {
    this.#credentials = credentials;
    this.#clock = clock;
  }

  /** Moves when connections that were authenticated by the certificate should be made anew. */
  get generation(): number {
    this.#look();
    return this.#generation;
  }

  authorization(): string | undefined {
    this.#look();
    const token = this.#credentials.token ?? this.#token;
    return token ? `Bearer ${token}` : undefined;
  }

  /** For the TLS handshake. */
  certificate(): { cert?: string; key?: string } {
    const { certificate } = this.#credentials;
    if (!certificate) return {};
    if ('cert' in certificate) return { cert: certificate.cert, key: certificate.key };
    return { cert: contentOf(certificate.certFile), key: contentOf(certificate.keyFile) };
  }

  #look(): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#lookedMs < LOOK_EVERY_MS) return;
    this.#lookedMs = nowMs;
    const { tokenFile, certificate } = this.#credentials;
    if (tokenFile) this.#token = contentOf(tokenFile).trim();
    if (!certificate || 'cert' in certificate) return;
    const mtimeMs = statSync(certificate.certFile, { throwIfNoEntry: false })?.mtimeMs ?? this.#certificateMtimeMs;
    if (this.#certificateMtimeMs !== 0 && mtimeMs !== this.#certificateMtimeMs) this.#generation++;
    this.#certificateMtimeMs = mtimeMs;
  }
}

/** A file that is just being replaced is there again at the next try. */
function contentOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new Unreachable(`credentials cannot be read: ${(error as Error).message}`, { cause: error });
  }
}
