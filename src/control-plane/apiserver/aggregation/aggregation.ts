/**
 * Groups that other API servers serve, as part of this one: which they are, whether they can be had, and how requests get
 * there. Source: "Kubernetes API Aggregation Layer".
 */
import { CustomResourceDefinition } from '#api/apiextensions/v1/custom-resource-definition.ts';
import { APIService } from '#api/apiregistration/v1/api-service.ts';
import type { KindRegistry } from '#api/machinery/kind.ts';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Random } from '#base/random.ts';
import type { Client } from '#client/client.ts';
import type { Informers } from '#client/informer.ts';
import type { UserInfo, WatchEvent } from '#client/transport.ts';
import type { ServiceEndpoint } from '../admission/define-admission.ts';
import type { Exchange } from '../http/exchange.ts';
import type { RequestInfo } from '../request-info.ts';
import { ApiServiceLosses } from './api-service-losses.ts';
import { ApiServiceTable } from './api-service-table.ts';
import { AvailabilityChecks } from './availability.ts';
import { Connections } from './connections.ts';
import { discoveredKinds } from './discovered-kinds.ts';
import { callRemote, type RemoteCall, watchRemote } from './in-process-proxy.ts';
import { proxyTo } from './proxy.ts';
import { Registration } from './registration.ts';
import { groupVersionOf, type RemoteApi } from './remote-api.ts';
import { RemoteDiscovery } from './remote-discovery.ts';
import { RemoteOpenApi } from './remote-openapi.ts';
import { type Upgrade, upgradeTo } from './upgrade.ts';

export interface AggregationServices {
  client: Client;
  informers: Informers;
  /** What this server serves itself. */
  kinds: KindRegistry;
  endpoint: ServiceEndpoint;
  /** PEM: the certificate by which other servers know this one. */
  frontProxy?: { certificate: string; key: string } | undefined;
  clock: Clock;
  random: Random;
  log: Log;
}

const OPENAPI_V3 = '/openapi/v3/';

export class Aggregation {
  readonly table = new ApiServiceTable();
  readonly discovery: RemoteDiscovery;
  readonly openApi: RemoteOpenApi;
  /** Everything that can be had through this server. */
  readonly kinds: KindRegistry;
  readonly connections: Connections;
  readonly losses = new ApiServiceLosses();
  readonly #services: AggregationServices;
  readonly #registration: Registration;
  readonly #availability: AvailabilityChecks;
  readonly #unfollow: () => void;

  constructor(services: AggregationServices) {
    const { clock, endpoint, frontProxy, informers, kinds } = services;
    this.#services = services;
    this.connections = new Connections({ clock, endpoint, frontProxy });
    const log = services.log.child({ component: 'aggregation' });
    const shared = { ...services, connections: this.connections, log };
    this.discovery = new RemoteDiscovery({ ...shared, table: this.table });
    this.openApi = new RemoteOpenApi({ ...shared, table: this.table });
    this.kinds = discoveredKinds(kinds, this.discovery);
    this.#registration = new Registration(shared);
    this.#availability = new AvailabilityChecks({ ...shared, losses: this.losses });
    this.#unfollow = this.table.follow(informers);
    this.table.onChange(() => this.connections.keepOnly(this.table.all()));
    informers.for(CustomResourceDefinition); // both are listed when the server is ready
    informers.for(APIService);
  }

  /** When the informers have listed. Resolves when this server's own groups are registered. */
  async start(): Promise<void> {
    await this.#registration.start();
    this.#availability.start();
    this.discovery.start();
  }

  stop(): void {
    this.#unfollow();
    this.#registration.stop();
    this.#availability.stop();
    this.discovery.stop();
    this.connections.close();
  }

  apiServices(): readonly APIService[] {
    return this.#services.informers.for(APIService).list();
  }

  /** Who serves what a request is about; undefined: this server. */
  remoteOf(info: RequestInfo): RemoteApi | undefined {
    if (this.table.isEmpty) return undefined;
    const of = groupVersionOf(info) ?? this.#documentOf(info);
    return of && this.table.find(of);
  }

  /** OpenAPI 3 of one group and version, where the other server has it. */
  #documentOf({ path }: RequestInfo): { group: string; version: string } | undefined {
    const document = path.startsWith(OPENAPI_V3) ? path.slice(OPENAPI_V3.length) : '';
    if (!document || !this.openApi.addresses().has(document)) return undefined;
    const [, group = '', version = ''] = document.split('/');
    return { group, version };
  }

  /** A request that was authorised. Ends when `signal` aborts. */
  proxy(remote: RemoteApi, request: { exchange: Exchange; user: UserInfo; signal: AbortSignal }): Promise<void> {
    return proxyTo(remote, request, { connections: this.connections, clock: this.#services.clock });
  }

  /** Resolves with the code of the answer. */
  upgrade(remote: RemoteApi, upgrade: Upgrade): Promise<number> {
    return upgradeTo(remote, upgrade, { connections: this.connections, clock: this.#services.clock });
  }

  call(remote: RemoteApi, call: RemoteCall): Promise<{ code: number; object: object }> {
    return callRemote(remote, call, this.connections);
  }

  watch(remote: RemoteApi, call: RemoteCall): AsyncIterable<WatchEvent> {
    return watchRemote(remote, call, this.connections);
  }
}
