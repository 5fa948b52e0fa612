/**
 * Follows Ingresses of one controller and tells what changes in the table of routes, in the endpoints behind it and in its
 * certificates. Nothing but Ingresses and their classes is followed before there is an Ingress to serve.
 */
import { Secret } from '#api/core/v1/secret.ts';
import { Service } from '#api/core/v1/service.ts';
import { EndpointSlice, serviceKeyOf } from '#api/discovery/v1/endpoint-slice.ts';
import type { Place } from '#api/discovery/v1/usable-endpoints.ts';
import { classOf, Ingress } from '#api/networking/v1/ingress.ts';
import { IngressClass } from '#api/networking/v1/ingress-class.ts';
import type { Log } from '#base/log.ts';
import type { IndexedInformer, Informer, Informers } from '#client/informer.ts';
import { type Endpoint, endpointsOf } from './backends.ts';
import type { KeyPair } from './certificates.ts';
import type { TableChange } from './ingress-server.ts';
import { type RouteTable, routeTableOf } from './route-table.ts';

export interface TableOptions {
  /** As IngressClasses name it. */
  controller: string;
  informers: Informers;
  log: Log;
  signal: AbortSignal;
  /** Where its traffic comes from; absent: endpoints are taken wherever they are. */
  place?: () => Place;
  /** Called with what is new, and only when something is. */
  onChange(change: TableChange): void;
}

/** Resolves when what was there at the start has been told. Goes on until the signal aborts. */
export async function keepTableCurrent(options: TableOptions): Promise<void> {
  const keeper = new TableKeeper(options);
  await keeper.start();
}

class TableKeeper {
  readonly #options: TableOptions;
  readonly #ingresses: Informer<Ingress>;
  readonly #classes: Informer<IngressClass>;
  readonly #secrets = new Map<string, Informer<Secret>>();
  #services: Informer<Service> | undefined;
  #slices: IndexedInformer<EndpointSlice> | undefined;
  #table: RouteTable = { hosts: new Map() };
  readonly #told = {
    hosts: new Map<string, string>(),
    endpoints: new Map<string, string>(),
    certificates: new Map<string, string>(),
  };
  /** `namespace/name` of those behind the table: what happens to others is nothing here. */
  readonly #backendServices = new Set<string>();
  #isRoutesStale = false;
  #isDue = false;
  /** One at a time: what is not listed yet must not look as if it were gone. */
  #turn: Promise<void> = Promise.resolve();

  constructor(options: TableOptions) {
    this.#options = options;
    this.#ingresses = options.informers.for(Ingress);
    this.#classes = options.informers.for(IngressClass);
  }

  async start(): Promise<void> {
    const { informers, signal } = this.#options;
    await informers.synced(signal);
    const stops = [this.#ingresses, this.#classes].map((informer) => informer.onChange(() => this.#routesChanged()));
    signal.addEventListener('abort', () => stops.forEach((stop) => void stop()), { once: true });
    this.#isRoutesStale = true;
    this.#turn = this.#tell();
    await this.#turn;
  }

  #routesChanged(): void {
    this.#isRoutesStale = true;
    this.#soon();
  }

  /** What changes in one turn is told together. */
  #soon(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    setImmediate(() => {
      this.#isDue = false;
      this.#turn = this.#turn.then(async () => {
        if (!this.#options.signal.aborted) await this.#tell();
      });
      this.#turn.catch((error: unknown) => {
        if (!this.#options.signal.aborted) throw error;
      });
    });
  }

  async #tell(): Promise<void> {
    if (this.#isRoutesStale) {
      this.#isRoutesStale = false;
      const ours = this.#ingresses.list().filter((ingress) => this.#isOurs(ingress));
      this.#table = routeTableOf(ours);
      if (ours.length > 0) await this.#followBackends();
      this.#followSecrets();
    }
    const change: TableChange = {
      certificates: changes(this.#told.certificates, this.#certificates()),
      endpoints: changes(this.#told.endpoints, this.#endpoints()).map(([key, found]) => [key, found ?? []]),
      hosts: changes(this.#told.hosts, this.#table.hosts),
    };
    if (Object.values(change).some((list: readonly unknown[]) => list.length > 0)) this.#options.onChange(change);
  }

  #isOurs(ingress: Ingress): boolean {
    const name = classOf(ingress);
    return name !== undefined && this.#classes.get(name)?.spec.controller === this.#options.controller;
  }

  async #followBackends(): Promise<void> {
    if (this.#slices) return;
    const { informers, signal } = this.#options;
    this.#services = informers.for(Service);
    this.#slices = informers.indexed(EndpointSlice, serviceKeyOf);
    await informers.synced(signal);
    const changed = (service: string | undefined) => {
      if (service !== undefined && this.#backendServices.has(service)) this.#soon();
    };
    this.#services.onChange(({ key }) => changed(key));
    this.#slices.onChange(({ now, before }) => {
      for (const slice of [now, before]) changed(slice && serviceKeyOf(slice));
    });
  }

  /** Each one alone: nobody here may see all Secrets of a cluster. Nobody waits for one: it may never come. */
  #followSecrets(): void {
    const { informers } = this.#options;
    const wanted = [...this.#table.hosts.values()].flatMap(({ certificate }) => certificate ?? []);
    const fresh = [...new Set(wanted)].filter((id) => !this.#secrets.has(id));
    for (const id of fresh) {
      const [namespace = '', name = ''] = id.split('/');
      const informer = informers.for(Secret, { namespace, fieldSelector: `metadata.name=${name}` });
      this.#secrets.set(id, informer);
      informer.onChange(() => this.#soon());
    }
  }

  #endpoints(): Map<string, Endpoint[]> {
    const found = new Map<string, Endpoint[]>();
    this.#backendServices.clear();
    for (const { routes } of this.#table.hosts.values()) {
      for (const backend of routes.flatMap((route) => [route.backend, route.canary?.backend])) {
        if (backend === undefined || found.has(backend)) continue;
        const colon = backend.lastIndexOf(':');
        const service = backend.slice(0, colon);
        this.#backendServices.add(service);
        const slices = this.#slices?.under(service) ?? [];
        const port = backend.slice(colon + 1);
        found.set(backend, endpointsOf(this.#services?.get(service), port, slices, this.#options.place?.()));
      }
    }
    return found;
  }

  #certificates(): Map<string, KeyPair> {
    const found = new Map<string, KeyPair>();
    for (const { certificate: id } of this.#table.hosts.values()) {
      const data = id === undefined ? undefined : this.#secrets.get(id)?.get(id)?.data;
      const [certificate, key] = [data?.['tls.crt'], data?.['tls.key']];
      if (id !== undefined && certificate && key)
        found.set(id, { certificate: decoded(certificate), key: decoded(key) });
    }
    return found;
  }
}

/** What is to be told so that who knows `told` knows `now`; null: it is gone. It counts as told from here on. */
function changes<T>(told: Map<string, string>, now: ReadonlyMap<string, T>): [string, T | null][] {
  const changed: [string, T | null][] = [];
  for (const key of told.keys()) {
    if (now.has(key)) continue;
    told.delete(key);
    changed.push([key, null]);
  }
  for (const [key, value] of now) {
    const text = JSON.stringify(value);
    if (told.get(key) === text) continue;
    told.set(key, text);
    changed.push([key, value]);
  }
  return changed;
}

const decoded = (base64: string): string => Buffer.from(base64, 'base64').toString('utf8');
