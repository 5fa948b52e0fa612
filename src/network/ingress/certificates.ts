/** Which certificate a host shows, chosen by the name that the client asks for (SNI, RFC 6066). One may be put in place of another while connections go on. */
import { X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';
import { isOfIngress, type KnownRoutes, namesFor } from './find-route.ts';
import { mostSpecific, type PortListeners } from './listeners.ts';

export interface KeyPair {
  /** PEM, with the chain. */
  certificate: string;
  key: string;
}

export class Certificates {
  readonly #contexts = new Map<string, SecureContext>();
  readonly #pairs = new Map<string, KeyPair>();
  #fallback: SecureContext | undefined;

  /** For clients that ask for a host without one. */
  putFallback({ certificate, key }: KeyPair): void {
    this.#fallback = createSecureContext({ cert: certificate, key });
  }

  /** @returns why the pair is no good; then what was there stays. */
  put(id: string, pair: KeyPair | undefined): string | undefined {
    if (!pair) {
      this.#contexts.delete(id);
      this.#pairs.delete(id);
      return undefined;
    }
    try {
      this.#contexts.set(id, createSecureContext({ cert: pair.certificate, key: pair.key }));
      this.#pairs.set(id, pair);
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  }

  /** At a port of Gateways their listeners come after hosts that an Ingress names, and before its wildcards. */
  contextFor(routes: KnownRoutes, servername: string): SecureContext | undefined {
    const { hosts, port } = routes;
    const name = servername.toLowerCase();
    const ids = port && !isOfIngress(routes, name) ? (mostSpecific(port.listeners, name)?.certificates ?? []) : [];
    const ofGateway = this.#bestOf(ids, name);
    if (ofGateway) return ofGateway;
    for (const candidate of namesFor(name)) {
      const id = hosts.get(candidate)?.certificate;
      const context = id === undefined ? undefined : this.#contexts.get(id);
      if (context) return context;
    }
    return this.#fallback;
  }

  /** For clients that ask for no name; undefined: no listener is for them. */
  pairForAny(port: PortListeners | undefined): KeyPair | undefined {
    const [id] = port?.listeners.get('')?.certificates ?? [];
    return id === undefined ? undefined : this.#pairs.get(id);
  }

  /** The first whose certificate is for that name, or the first. */
  #bestOf(ids: readonly string[], name: string): SecureContext | undefined {
    const known = ids.filter((id) => this.#contexts.has(id));
    const fitting = known.length > 1 ? known.find((id) => this.#isFor(id, name)) : undefined;
    return this.#contexts.get(fitting ?? known[0] ?? '');
  }

  #isFor(id: string, name: string): boolean {
    const { certificate } = this.#pairs.get(id) ?? {};
    return certificate !== undefined && new X509Certificate(certificate).checkHost(name) !== undefined;
  }
}
