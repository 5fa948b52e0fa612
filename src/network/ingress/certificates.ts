/** Which certificate a host shows, chosen by the name that the client asks for (SNI, RFC 6066). One may be put in place of another while connections go on. */
import { createSecureContext, type SecureContext } from 'node:tls';
import { namesFor } from './find-route.ts';
import type { HostRoutes } from './route-table.ts';

export interface KeyPair {
  /** PEM, with the chain. */
  certificate: string;
  key: string;
}

export class Certificates {
  readonly #contexts = new Map<string, SecureContext>();
  #fallback: SecureContext | undefined;

  /** For clients that ask for a host without one. */
  putFallback({ certificate, key }: KeyPair): void {
    this.#fallback = createSecureContext({ cert: certificate, key });
  }

  /** @returns why the pair is no good; then what was there stays. */
  put(id: string, pair: KeyPair | undefined): string | undefined {
    if (!pair) {
      this.#contexts.delete(id);
      return undefined;
    }
    try {
      this.#contexts.set(id, createSecureContext({ cert: pair.certificate, key: pair.key }));
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  }

  contextFor(hosts: ReadonlyMap<string, HostRoutes>, servername: string): SecureContext | undefined {
    for (const candidate of namesFor(servername.toLowerCase())) {
      const id = hosts.get(candidate)?.certificate;
      const context = id === undefined ? undefined : this.#contexts.get(id);
      if (context) return context;
    }
    return this.#fallback;
  }
}
