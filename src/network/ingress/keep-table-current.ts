/**
 * Tells what changes in the table of routes, in the endpoints behind it and in its certificates. Services and endpoints are
 * followed from the first route on; of Secrets only those that are named, one by one, and not longer than that.
 */
import { Secret } from '#api/core/v1/secret.ts';
import { Service } from '#api/core/v1/service.ts';
import { EndpointSlice, serviceKeyOf } from '#api/discovery/v1/endpoint-slice.ts';
import type { Place } from '#api/discovery/v1/usable-endpoints.ts';
import type { Log } from '#base/log.ts';
import type { IndexedInformer, Informer, ReleasableInformers } from '#client/informer.ts';
import { type Endpoint, endpointsOf } from './backends.ts';
import { usersIn } from './basic-auth.ts';
import { alone, type Blame, blameInLog } from './blame.ts';
import type { KeyPair } from './certificates.ts';
import type { TableChange } from './ingress-server.ts';
import type { PortListeners } from './listeners.ts';
import type { RouteSource, SourcedTable } from './route-source.ts';
import type { HostRoutes } from './route-table.ts';
import { backendsOf, serviceOf } from './table-backends.ts';
import { changes, isAlike, isSameHost } from './table-changes.ts';

export interface TableOptions {
  /** Each is asked as soon as it has started: none waits for another. */
  sources: readonly RouteSource[];
  informers: ReleasableInformers;
  log: Log;
  signal: AbortSignal;
  /** Where its traffic comes from: endpoints may be meant for a node or a zone. Absent: they are taken wherever they are. */
  place?: (() => Place) | undefined;
  /** Called with what is new, and only when something is. */
  onChange(change: TableChange): void;
}

/** Resolves when what the first source had at its start has been told. Goes on until the signal aborts. */
export async function keepTableCurrent(options: TableOptions): Promise<void> {
  const keeper = new TableKeeper(options);
  await keeper.start();
}

interface Sourced {
  source: RouteSource;
  table: SourcedTable;
  isStale: boolean;
}

interface FollowedSecret {
  informer: Informer<Secret>;
  letGo(): void;
}

class TableKeeper {
  readonly #options: TableOptions;
  readonly #sourced: Sourced[] = [];
  readonly #secrets = new Map<string, FollowedSecret>();
  #services: Informer<Service> | undefined;
  #slices: IndexedInformer<EndpointSlice> | undefined;
  readonly #told = {
    hosts: new Map<string, HostRoutes>(),
    ports: new Map<number, PortListeners>(),
    endpoints: new Map<string, Endpoint[]>(),
    certificates: new Map<string, KeyPair>(),
    users: new Map<string, [string, string][]>(),
  };
  /** Of the table as it is: made anew with it. */
  #backends = new Set<string>();
  /** `namespace/name` of those behind the table: what happens to others is nothing here. */
  #backendServices = new Set<string>();
  /** Since endpoints were told last. */
  #changedServices = new Set<string>();
  #isDue = false;
  /** One at a time: what is not listed yet must not look as if it were gone. */
  #turn: Promise<void> = Promise.resolve();

  readonly #blame: Blame;

  constructor(options: TableOptions) {
    this.#options = options;
    this.#blame = blameInLog(options.log);
  }

  async start(): Promise<void> {
    const [first, ...others] = this.#options.sources.map((source) => this.#begin(source));
    for (const other of others) void other.then(() => this.#soon(), this.#unlessEnding);
    await first;
    this.#turn = this.#turn.then(() => this.#tell());
    await this.#turn;
  }

  async #begin(source: RouteSource): Promise<void> {
    const sourced: Sourced = { source, table: { certificates: [], isInUse: false }, isStale: true };
    await source.start(() => {
      sourced.isStale = true;
      this.#soon();
    });
    this.#sourced.push(sourced);
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
      this.#turn.catch(this.#unlessEnding);
    });
  }

  readonly #unlessEnding = (error: unknown): void => {
    if (!this.#options.signal.aborted) throw error;
  };

  /** What the process has besides (DNS, the proxy) must not go with the routes: these stay as they were told last. */
  async #tell(): Promise<void> {
    try {
      await this.#tellChanges();
    } catch (error) {
      if (this.#options.signal.aborted) throw error;
      for (const sourced of this.#sourced) sourced.isStale = true; // the next change tries again
      const text = error instanceof Error ? (error.stack ?? String(error)) : String(error);
      this.#options.log.error('the routes could not be made anew; they stay as they are', { error: text });
    }
  }

  async #tellChanges(): Promise<void> {
    const isTableNew = this.#sourced.some(({ isStale }) => isStale);
    if (isTableNew) {
      this.#makeTables();
      if (this.#sourced.some(({ table }) => table.isInUse) && !this.#slices) {
        await this.#followBackends();
        this.#makeTables(); // some are made of Services too
      }
      this.#followSecrets();
    }
    // All of it is known before any of it counts as told.
    const [certificates, users] = [this.#certificates(), this.#users()];
    const change: TableChange = {
      certificates: changes(this.#told.certificates, certificates, isAlike),
      users: changes(this.#told.users, users, isAlike),
      endpoints: this.#endpointChanges(isTableNew),
      ...(isTableNew && this.#routeChanges()),
    };
    if (Object.values(change).some((list: readonly unknown[]) => list.length > 0)) this.#options.onChange(change);
  }

  #routeChanges(): Pick<TableChange, 'hosts' | 'ports'> {
    const hosts = new Map(this.#sourced.flatMap(({ table }) => [...(table.hosts ?? [])]));
    const ports = new Map(this.#sourced.flatMap(({ table }) => [...(table.ports ?? [])]));
    return {
      hosts: changes(this.#told.hosts, hosts, isSameHost),
      ports: changes(this.#told.ports, ports, isAlike),
    };
  }

  /** Of all backends where the table is new, else of those that changed. */
  #endpointChanges(isTableNew: boolean): [string, Endpoint[]][] {
    const changed = this.#changedServices;
    this.#changedServices = new Set();
    if (isTableNew)
      return changes(this.#told.endpoints, this.#endpoints(), isAlike).map(([key, found]) => [key, found ?? []]);
    const all: [string, Endpoint[]][] = [];
    for (const backend of changed.size > 0 ? this.#backends : []) {
      if (!changed.has(serviceOf(backend))) continue;
      const found = this.#endpointsOf(backend);
      if (isAlike(this.#told.endpoints.get(backend), found)) continue;
      this.#told.endpoints.set(backend, found);
      all.push([backend, found]);
    }
    return all;
  }

  #makeTables(): void {
    const around = {
      service: (key: string) => this.#services?.get(key),
      secret: (key: string) => this.#secrets.get(key)?.informer.get(key),
      blame: this.#blame,
    };
    for (const sourced of this.#sourced) {
      if (!sourced.isStale && !sourced.source.looksAround) continue;
      sourced.table = sourced.source.table(around);
      sourced.isStale = false;
    }
    this.#backends = new Set(this.#sourced.flatMap(({ table }) => backendsOf(table)));
    this.#backendServices = new Set([...this.#backends].map(serviceOf));
  }

  async #followBackends(): Promise<void> {
    const { informers, signal } = this.#options;
    this.#services = informers.for(Service);
    this.#slices = informers.indexed(EndpointSlice, serviceKeyOf);
    await informers.synced(signal);
    this.#services.onChange(({ key }) => {
      this.#aroundChanged();
      this.#backendChanged(key);
    });
    this.#slices.onChange(({ now, before }) => {
      for (const slice of [now, before]) {
        const service = slice && serviceKeyOf(slice);
        if (service !== undefined) this.#backendChanged(service);
      }
    });
  }

  #backendChanged(service: string): void {
    if (!this.#backendServices.has(service)) return;
    this.#changedServices.add(service);
    this.#soon();
  }

  /** A Service or a Secret: some tables are made of these as well. */
  #aroundChanged(): void {
    for (const sourced of this.#sourced) {
      if (!sourced.source.looksAround || !sourced.table.isInUse) continue;
      sourced.isStale = true;
      this.#soon();
    }
  }

  /** Each one alone: nobody here may see all Secrets of a cluster. Nobody waits for one: it may never come. */
  #followSecrets(): void {
    const { informers } = this.#options;
    const wanted = new Set(
      this.#sourced.flatMap(({ table }) => [...table.certificates, ...(table.users?.keys() ?? [])]),
    );
    for (const [id, followed] of this.#secrets) {
      if (wanted.has(id)) continue;
      this.#secrets.delete(id);
      followed.letGo();
    }
    for (const id of wanted) {
      if (this.#secrets.has(id)) continue;
      const [namespace = '', name = ''] = id.split('/');
      const scope = { namespace, fieldSelector: `metadata.name=${name}` };
      const informer = informers.for(Secret, scope);
      const stop = informer.onChange(() => {
        this.#aroundChanged();
        this.#soon();
      });
      const letGo = () => {
        stop();
        informers.letGo(Secret, scope);
      };
      this.#secrets.set(id, { informer, letGo });
    }
  }

  #endpoints(): Map<string, Endpoint[]> {
    return new Map([...this.#backends].map((backend) => [backend, this.#endpointsOf(backend)]));
  }

  #endpointsOf(backend: string): Endpoint[] {
    const service = serviceOf(backend);
    const slices = this.#slices?.under(service) ?? [];
    const port = backend.slice(service.length + 1);
    const found = this.#services?.get(service);
    const here = this.#options.place?.();
    const use = () => endpointsOf(found, port, slices, here);
    return found ? alone(found, this.#blame, use, this.#told.endpoints.get(backend) ?? []) : use();
  }

  /** Of Secrets that are there. */
  #users(): Map<string, [string, string][]> {
    const found = new Map<string, [string, string][]>();
    for (const { table } of this.#sourced) {
      for (const [id, { isFile }] of table.users ?? []) {
        const secret = this.#secrets.get(id)?.informer.get(id);
        const users = secret?.data && alone(secret, this.#blame, ({ data }) => usersIn(data ?? {}, isFile), []);
        if (users) found.set(id, users);
      }
    }
    return found;
  }

  #certificates(): Map<string, KeyPair> {
    const found = new Map<string, KeyPair>();
    for (const [id, { informer }] of this.#secrets) {
      const data = informer.get(id)?.data;
      const [certificate, key] = [data?.['tls.crt'], data?.['tls.key']];
      if (certificate && key) found.set(id, { certificate: decoded(certificate), key: decoded(key) });
    }
    return found;
  }
}

const decoded = (base64: string): string => Buffer.from(base64, 'base64').toString('utf8');
