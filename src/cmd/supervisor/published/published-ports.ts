/**
 * What of the cluster is reached at this machine's loopback: Ingresses, so that `http://NAME.localhost/` needs no tunnel (names
 * under localhost are this machine, RFC 6761), and the Services that `kedge up --publish` names. Only loopback: nobody else on
 * the network gets in.
 */
import type { Log } from '#base/log.ts';
import type { PublishedPort } from '#cli/control-protocol.ts';
import type { Informers } from '#client/informer.ts';
import type { PublishedServicePort } from '#node/machine/cluster-dir.ts';
import type { SlotPlan } from '#node/machine/slots.ts';
import { type Destination, LoopbackListener, PortTaken } from './loopback-listener.ts';
import { PublishedService } from './published-service.ts';

export interface PublishedPortsOptions {
  plan: Pick<SlotPlan, 'slot' | 'ingressAddresses'>;
  publish: readonly PublishedServicePort[];
  /** Asked for only when a Service is published. */
  informers(): Informers;
  log: Log;
}

/** Other than the well-known one that is tried first. */
const OTHERWISE = { http: 8080, https: 8443 };
const WELL_KNOWN = { http: 80, https: 443 };
const MOST_TRIES = 100;

export class PublishedPorts {
  readonly #options: PublishedPortsOptions;
  readonly #listeners: LoopbackListener[] = [];
  #status: PublishedPort[] = [];

  constructor(options: PublishedPortsOptions) {
    this.#options = options;
  }

  get status(): PublishedPort[] {
    return this.#status;
  }

  /** Never throws: what cannot be had is told in the status. */
  async open(): Promise<void> {
    const { publish } = this.#options;
    // What was asked for by number comes first.
    const services = publish.length > 0 ? this.#options.informers() : undefined;
    for (const wish of publish) {
      const service = new PublishedService(wish, services!);
      await this.#open([wish.port], textOf(wish), () => service.destination());
    }
    for (const scheme of ['http', 'https'] as const) {
      const [host] = this.#options.plan.ingressAddresses;
      if (host)
        await this.#open(this.#candidates(scheme), `ingress ${scheme}`, () => ({ host, port: WELL_KNOWN[scheme] }));
    }
  }

  close(): void {
    for (const listener of this.#listeners) listener.close();
    this.#status = [];
  }

  /** The port that everybody knows, or the next free one from one that is the cluster's own. */
  #candidates(scheme: 'http' | 'https'): number[] {
    const first = OTHERWISE[scheme] + this.#options.plan.slot;
    return [WELL_KNOWN[scheme], ...Array.from({ length: MOST_TRIES }, (_, i) => first + i)];
  }

  async #open(ports: readonly number[], to: string, destination: () => Destination | undefined): Promise<void> {
    const { log } = this.#options;
    let problem = '';
    for (const port of ports) {
      try {
        this.#listeners.push(await LoopbackListener.at(port, { destination, log }));
        this.#status.push({ port, to });
        return;
      } catch (error) {
        problem = (error as Error).message;
        if (!(error instanceof PortTaken) && !isForbidden(error)) break;
      }
    }
    log.warn('a port could not be published', { port: ports[0], to, problem });
    this.#status.push({ port: ports[0]!, to, problem });
  }
}

/** `shop/web:http`. */
export const textOf = ({ namespace, service, to }: PublishedServicePort): string => `${namespace}/${service}:${to}`;

/** Low ports are root's. */
const isForbidden = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'EACCES';
