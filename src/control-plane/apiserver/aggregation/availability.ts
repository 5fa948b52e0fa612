/**
 * Says in the status of each APIService whether its group and version can be had: whether its Service leads anywhere and
 * somebody answers there. Source: upstream's kube-aggregator, local and remote available condition controllers; reasons
 * and messages as there.
 */
import { APIService } from '#api/apiregistration/v1/api-service.ts';
import { Service } from '#api/core/v1/service.ts';
import { EndpointSlice, SERVICE_NAME } from '#api/discovery/v1/endpoint-slice.ts';
import { isEqual } from '#api/machinery/equal.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { hasReason } from '#api/machinery/status.ts';
import { formatSeconds } from '#api/machinery/timestamp.ts';
import { KeyedBackOff } from '#base/back-off.ts';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Random } from '#base/random.ts';
import { WorkQueue } from '#base/work-queue.ts';
import type { Client } from '#client/client.ts';
import type { Informers } from '#client/informer.ts';
import type { UserInfo } from '#client/transport.ts';
import type { ApiServiceLosses } from './api-service-losses.ts';
import { type Connections, hostPort } from './connections.ts';
import { type RemoteApi, remoteApiOf, rootOf } from './remote-api.ts';

export interface AvailabilityServices {
  client: Client;
  informers: Informers;
  connections: Connections;
  losses: ApiServiceLosses;
  clock: Clock;
  random: Random;
  log: Log;
}

/** As whom other servers are asked for what they serve. */
export const AGGREGATOR: UserInfo = { name: 'system:kube-aggregator', groups: ['system:masters'] };

export interface Availability {
  status: 'True' | 'False' | 'Unknown';
  reason: string;
  message: string;
}

const LOCAL: Availability = {
  status: 'True',
  reason: 'Local',
  message: 'Local APIServices are always available',
};
const PASSED: Availability = { status: 'True', reason: 'Passed', message: 'all checks passed' };

/** The network may fail without anybody being told. Source: upstream's resync. */
const AGAIN_MS = 30_000;
const BACK_OFF = { firstMs: 5, mostMs: 30_000 };
const WORKERS = 5;
const ATTEMPTS = 5;
const TIMEOUT_MS = 5000;

export class AvailabilityChecks {
  readonly #services: AvailabilityServices;
  readonly #queue: WorkQueue;
  readonly #backOff: KeyedBackOff;
  readonly #stops: (() => void)[] = [];
  #followsServices = false;

  constructor(services: AvailabilityServices) {
    this.#services = services;
    this.#backOff = new KeyedBackOff(services.random, BACK_OFF);
    this.#queue = new WorkQueue({ clock: services.clock, workers: WORKERS, work: (name) => this.#work(name) });
  }

  start(): void {
    this.#stops.push(this.#services.informers.for(APIService).onChange(({ key }) => this.#queue.add(key)));
    for (const { metadata } of this.#services.informers.for(APIService).list()) this.#queue.add(metadata.name);
    this.#queue.start();
  }

  stop(): void {
    this.#queue.stop();
    for (const stop of this.#stops) stop();
  }

  async #work(name: string): Promise<void> {
    try {
      await this.#check(name);
    } catch (error) {
      if (!hasReason(error, 'Conflict', 'NotFound'))
        this.#services.log.warn('the availability of an API could not be told', {
          apiService: name,
          error: String(error),
        });
      this.#queue.addAfter(name, this.#backOff.nextMs(name));
    }
  }

  async #check(name: string): Promise<void> {
    const apiService = this.#services.informers.for(APIService).get(name);
    if (!apiService) return this.#backOff.forget(name);
    const remote = remoteApiOf(apiService);
    if (!remote) return this.#tell(apiService, LOCAL);
    this.#followServices();
    const found = await this.#availabilityOf(remote);
    await this.#tell(apiService, found);
    if (found.reason === 'FailedDiscoveryCheck') {
      this.#queue.addAfter(name, this.#backOff.nextMs(name));
      return;
    }
    this.#backOff.forget(name);
    this.#queue.addAfter(name, AGAIN_MS);
  }

  /** Only once there is an API of another server: most clusters need not hear of every endpoint. */
  #followServices(): void {
    if (this.#followsServices) return;
    this.#followsServices = true;
    const { informers } = this.#services;
    const look = (namespace = '', name = '') => {
      for (const { metadata, spec } of informers.for(APIService).list())
        if (spec.service?.name === name && (spec.service.namespace ?? '') === namespace) this.#queue.add(metadata.name);
    };
    this.#stops.push(
      informers.for(Service).onChange(({ now, before }) => {
        const { metadata } = (now ?? before)!;
        look(metadata.namespace, metadata.name);
      }),
      informers.for(EndpointSlice).onChange(({ now, before }) => {
        const { metadata } = (now ?? before) as KubeObject;
        look(metadata.namespace, metadata.labels?.[SERVICE_NAME]);
      }),
    );
  }

  async #availabilityOf(remote: RemoteApi): Promise<Availability> {
    const { informers } = this.#services;
    await Promise.all([synced(informers.for(Service)), synced(informers.for(EndpointSlice))]);
    const { namespace, name } = remote.service;
    const service = informers.for(Service).get(`${namespace}/${name}`);
    const slices = informers
      .for(EndpointSlice)
      .inNamespace(namespace)
      .filter(({ metadata }) => metadata.labels?.[SERVICE_NAME] === name);
    return problemOfService(remote, service, slices) ?? this.#discoveryCheck(remote);
  }

  /** One answer of several is enough: behind a Service there may be several servers. */
  async #discoveryCheck(remote: RemoteApi): Promise<Availability> {
    const attempts = Array.from({ length: ATTEMPTS }, () => this.#ask(remote));
    const passed = await Promise.any(
      attempts.map(async (attempt) => {
        const problem = await attempt;
        if (problem !== undefined) throw new Error(problem);
      }),
    ).then(
      () => true,
      () => false,
    );
    if (passed) return PASSED;
    const problems = await Promise.all(attempts);
    return { status: 'False', reason: 'FailedDiscoveryCheck', message: problems.at(-1) ?? '' };
  }

  /** undefined: somebody answered who is the right one. */
  async #ask(remote: RemoteApi): Promise<string | undefined> {
    const { connections } = this.#services;
    const address = await connections.addressOf(remote);
    if ('problem' in address) return address.problem;
    const path = rootOf(remote);
    const url = `https://${hostPort(address)}${path}`;
    const asked = { path, accept: '*/*', user: AGGREGATOR, timeoutMs: TIMEOUT_MS };
    const answer = await connections.fetchFrom(address, remote, asked);
    if ('problem' in answer) return `failing or missing response from ${url}: ${answer.problem}`;
    if (answer.code >= 200 && answer.code < 300) return undefined;
    return `failing or missing response from ${url}: bad status from ${url}: ${answer.code}`;
  }

  async #tell(apiService: APIService, { status, reason, message }: Availability): Promise<void> {
    const { client, clock } = this.#services;
    const before = apiService.status?.conditions ?? [];
    const known = before.find(({ type }) => type === 'Available');
    const isSame = known?.status === status;
    const lastTransitionTime = (isSame && known.lastTransitionTime) || formatSeconds(Math.floor(clock.now() / 1000))!;
    const condition = { type: 'Available', status, lastTransitionTime, reason, message };
    const conditions = known ? before.map((one) => (one === known ? condition : one)) : [...before, condition];
    if (isEqual(conditions, before)) return;
    await client.updateStatus(APIService, { ...apiService, status: { ...apiService.status, conditions } });
    if (known?.status === 'True' && status !== 'True')
      this.#services.losses.add({ name: apiService.metadata.name, reason });
  }
}

/** What keeps a Service from leading anywhere; undefined: nothing that can be seen from here. */
export function problemOfService(
  { service: { namespace, name, port } }: Pick<RemoteApi, 'service'>,
  service: Service | undefined,
  slices: readonly EndpointSlice[],
): Availability | undefined {
  const where = `service/${name} in ${JSON.stringify(namespace)}`;
  const problem = (reason: string, message: string): Availability => ({ status: 'False', reason, message });
  if (!service) return problem('ServiceNotFound', `${where} is not present`);
  if (service.spec.type !== 'ClusterIP') return undefined;
  const found = service.spec.ports?.find((one) => one.port === port);
  if (!found) return problem('ServicePortError', `${where} is not listening on port ${port}`);
  if (slices.length === 0) return problem('EndpointsNotFound', `cannot find endpointslices for ${where}`);
  const portName = found.name ?? '';
  if (slices.some((slice) => hasReadyEndpoint(slice, portName))) return undefined;
  const message = `endpointslices for ${where} have no addresses with port name ${JSON.stringify(portName)}`;
  return problem('MissingEndpoints', message);
}

const hasReadyEndpoint = ({ endpoints, ports }: EndpointSlice, portName: string): boolean =>
  (endpoints ?? []).some(({ conditions }) => conditions?.ready !== false) &&
  (ports ?? []).some(({ name = '', port }) => name === portName && port !== undefined);

const synced = (informer: { hasSynced: boolean; onProgress(listener: () => void): () => void }): Promise<void> =>
  new Promise((resolve) => {
    if (informer.hasSynced) return resolve();
    const stop = informer.onProgress(() => {
      if (!informer.hasSynced) return;
      stop();
      resolve();
    });
  });
