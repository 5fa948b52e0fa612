/**
 * What other API servers say that they serve, asked for when their APIService changes and then once a minute. When one
 * does not answer, what it said before stays, marked as stale. Source: upstream's kube-aggregator, handler_discovery.go.
 */
import { isJsonObject } from '#api/machinery/json-value.ts';
import { KeyedBackOff } from '#base/back-off.ts';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Random } from '#base/random.ts';
import { WorkQueue } from '#base/work-queue.ts';
import type { RemoteGroups, RemoteVersion } from '../discovery/remote-groups.ts';
import type { ApiServiceTable } from './api-service-table.ts';
import { AGGREGATOR } from './availability.ts';
import type { Connections, Fetched } from './connections.ts';
import { type DiscoveredResource, resourcesOfGroups, resourcesOfList } from './discovered-resource.ts';
import { type RemoteApi, rootOf } from './remote-api.ts';

export interface RemoteDiscoveryServices {
  table: ApiServiceTable;
  connections: Connections;
  clock: Clock;
  random: Random;
  log: Log;
}

export const AGGREGATED = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
const REFRESH_MS = 60_000;
const TIMEOUT_MS = 5000;
const BACK_OFF = { firstMs: 500, mostMs: REFRESH_MS };
const WORKERS = 2;

interface Known extends RemoteVersion {
  etag?: string | undefined;
}

export class RemoteDiscovery implements RemoteGroups {
  readonly #services: RemoteDiscoveryServices;
  readonly #queue: WorkQueue;
  readonly #backOff: KeyedBackOff;
  readonly #known = new Map<string, Known>();
  readonly #listeners = new Set<() => void>();
  #generation = 0;
  #stop: (() => void) | undefined;

  constructor(services: RemoteDiscoveryServices) {
    this.#services = services;
    this.#backOff = new KeyedBackOff(services.random, BACK_OFF);
    this.#queue = new WorkQueue({ clock: services.clock, workers: WORKERS, work: (name) => this.#work(name) });
  }

  start(): void {
    const { table } = this.#services;
    this.#stop = table.onChange((name) => this.#queue.add(name));
    for (const { name } of table.all()) this.#queue.add(name);
    this.#queue.start();
  }

  stop(): void {
    this.#queue.stop();
    this.#stop?.();
  }

  get generation(): number {
    return this.#generation + this.#services.table.generation;
  }

  registered(): readonly RemoteApi[] {
    return this.#services.table.all();
  }

  described(): readonly RemoteVersion[] {
    return [...this.#known.values()];
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  async #work(name: string): Promise<void> {
    const remote = this.#services.table.named(name);
    if (!remote) {
      this.#backOff.forget(name);
      if (this.#known.delete(name)) this.#changed();
      return;
    }
    const before = this.#known.get(name);
    const said = await this.#ask(remote, before?.etag);
    if ('problem' in said) {
      this.#services.log.debug('discovery of another API server failed', { apiService: name, error: said.problem });
      this.#set(name, { ...placeOf(remote), resources: before?.resources ?? [], isStale: true, etag: before?.etag });
      this.#queue.addAfter(name, this.#backOff.nextMs(name));
      return;
    }
    this.#backOff.forget(name);
    const resources = said.resources ?? before?.resources ?? [];
    this.#set(name, { ...placeOf(remote), resources, isStale: false, etag: said.etag });
    this.#queue.addAfter(name, REFRESH_MS);
  }

  #set(name: string, next: Known): void {
    if (!this.#services.table.named(name)) return; // gone while it was asked
    const before = this.#known.get(name);
    this.#known.set(name, next);
    if (JSON.stringify({ ...before, etag: '' }) !== JSON.stringify({ ...next, etag: '' })) this.#changed();
  }

  #changed(): void {
    this.#generation++;
    for (const listener of [...this.#listeners]) listener();
  }

  /** `resources` undefined: as before. */
  async #ask(
    remote: RemoteApi,
    etag: string | undefined,
  ): Promise<{ resources: readonly DiscoveredResource[] | undefined; etag: string | undefined } | { problem: string }> {
    if (!remote.isAvailable) return { problem: 'service unavailable' };
    const { connections } = this.#services;
    const headers = etag ? { 'if-none-match': etag } : {};
    const root = remote.group ? '/apis' : '/api';
    const asked = { user: AGGREGATOR, timeoutMs: TIMEOUT_MS };
    const whole = await connections.fetch(remote, { ...asked, path: root, accept: AGGREGATED, headers });
    if ('problem' in whole) return whole;
    if (whole.code === 304 && etag) return { resources: undefined, etag };
    if (whole.code === 503) return { problem: 'the server answered with 503' };
    if (whole.code === 200 && isAggregated(whole)) {
      const groups = jsonOf(whole);
      return { resources: groups ? resourcesOfGroups(groups, remote) : [], etag: whole.headers.etag };
    }
    const legacy = await connections.fetch(remote, { ...asked, path: rootOf(remote), accept: 'application/json' });
    if ('problem' in legacy) return legacy;
    if (legacy.code !== 200) return { problem: `${rootOf(remote)} was answered with ${legacy.code}` };
    const list = jsonOf(legacy);
    return list ? { resources: resourcesOfList(list, remote), etag: undefined } : { problem: 'the answer is no JSON' };
  }
}

const placeOf = ({ group, version, groupPriority, versionPriority }: RemoteApi) => ({
  group,
  version,
  groupPriority,
  versionPriority,
});

function isAggregated({ headers }: Fetched): boolean {
  const parts = (headers['content-type'] ?? '').split(';').map((part) => part.trim());
  return ['g=apidiscovery.k8s.io', 'v=v2', 'as=APIGroupDiscoveryList'].every((part) => parts.includes(part));
}

function jsonOf({ body }: Fetched) {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    return isJsonObject(value) ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
