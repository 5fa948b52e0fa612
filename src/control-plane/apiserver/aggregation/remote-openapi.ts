/**
 * What other API servers say of the shape of what they serve: asked for when somebody wants to know, and again when that is
 * a minute ago. Source: upstream's kube-aggregator, controllers/openapi and openapiv3.
 */
import { isJsonObject, type JsonObject } from '#api/machinery/json-value.ts';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { RemoteSpecs, Spec } from '../openapi/remote-specs.ts';
import { usableSpec } from '../openapi/usable-spec.ts';
import type { ApiServiceTable } from './api-service-table.ts';
import { AGGREGATOR } from './availability.ts';
import type { Connections, Fetched } from './connections.ts';
import { type RemoteApi, rootOf } from './remote-api.ts';

export interface RemoteOpenApiServices {
  table: ApiServiceTable;
  connections: Connections;
  clock: Clock;
  log: Log;
}

const REFRESH_MS = 60_000;
const TIMEOUT_MS = 10_000;

interface Known {
  group: string;
  version: string;
  groupPriority: number;
  askedMs: number;
  /** It was changed since. */
  mustAsk: boolean;
  asking: Promise<void> | undefined;
  etag: string | undefined;
  spec: Spec | undefined;
  /** In version 3. */
  address: string | undefined;
}

export class RemoteOpenApi implements RemoteSpecs {
  readonly #services: RemoteOpenApiServices;
  readonly #known = new Map<string, Known>();
  #generation = 0;

  constructor(services: RemoteOpenApiServices) {
    this.#services = services;
    services.table.onChange((name) => {
      const known = this.#known.get(name);
      if (!known) return;
      if (services.table.named(name))
        known.mustAsk = true; // it may be another server now; until that is known, what the last one said holds
      else {
        this.#known.delete(name);
        this.#generation++;
      }
    });
  }

  get generation(): number {
    return this.#generation;
  }

  /** Waits only for those of which nothing is known yet, or that were changed. */
  async refresh(): Promise<void> {
    const nowMs = this.#services.clock.monotonicMs();
    const first: Promise<void>[] = [];
    for (const remote of this.#services.table.all()) {
      if (!remote.isAvailable) continue;
      const known = this.#known.get(remote.name);
      const isDue = !known || known.mustAsk || (known.asking === undefined && nowMs - known.askedMs >= REFRESH_MS);
      if (isDue) this.#ask(remote, nowMs);
      const { asking, spec, address } = this.#known.get(remote.name)!;
      if (asking && (known?.mustAsk || (!spec && !address))) first.push(asking);
    }
    await Promise.all(first);
  }

  specs(): readonly { group: string; version: string; spec: Spec }[] {
    return [...this.#known]
      .sort(
        ([a, { group: ofA }], [b, { group: ofB }]) => this.#priorityOf(ofB) - this.#priorityOf(ofA) || (a < b ? -1 : 1),
      )
      .map(([, known]) => known)
      .flatMap(({ group, version, spec }) => (spec ? [{ group, version, spec }] : []));
  }

  #priorityOf(group: string): number {
    return Math.max(...[...this.#known.values()].filter((one) => one.group === group).map((one) => one.groupPriority));
  }

  addresses(): ReadonlyMap<string, string> {
    return new Map(
      [...this.#known.values()].flatMap(({ group, version, address }) =>
        address ? [[`apis/${group}/${version}`, address] as const] : [],
      ),
    );
  }

  #ask(remote: RemoteApi, nowMs: number): void {
    const { name, group, version, groupPriority } = remote;
    const before = this.#known.get(name);
    const known: Known = {
      group,
      version,
      groupPriority,
      askedMs: nowMs,
      mustAsk: false,
      asking: undefined,
      etag: before?.mustAsk ? undefined : before?.etag,
      spec: before?.spec,
      address: before?.address,
    };
    this.#known.set(name, known);
    known.asking = Promise.all([this.#askSpec(remote, known), this.#askAddress(remote, known)])
      .then(() => undefined)
      .finally(() => {
        known.asking = undefined;
      });
  }

  async #askSpec(remote: RemoteApi, known: Known): Promise<void> {
    const headers: Record<string, string> = known.etag ? { 'if-none-match': known.etag } : {};
    const answer = await this.#fetch(remote, '/openapi/v2', headers);
    if (answer?.code !== 200) return;
    const spec = usableSpec(jsonOf(answer), `${rootOf(remote)}/`);
    if (!spec) return;
    known.etag = answer.headers.etag;
    known.spec = spec;
    this.#changed(remote, known);
  }

  async #askAddress(remote: RemoteApi, known: Known): Promise<void> {
    const path = `apis/${remote.group}/${remote.version}`;
    const answer = await this.#fetch(remote, '/openapi/v3');
    const index = answer?.code === 200 ? jsonOf(answer) : answer?.code === 404 && {};
    if (!index) return;
    const { paths } = index;
    const entry = isJsonObject(paths) && Object.hasOwn(paths, path) ? paths[path] : undefined;
    const url = isJsonObject(entry) ? entry['serverRelativeURL'] : undefined;
    const address = typeof url === 'string' && url.startsWith(`/openapi/v3/${path}`) ? url : undefined;
    if (address === known.address) return;
    known.address = address;
    this.#changed(remote, known);
  }

  /** undefined: nothing came. */
  async #fetch(remote: RemoteApi, path: string, headers: Record<string, string> = {}): Promise<Fetched | undefined> {
    const { connections, log } = this.#services;
    const asked = { path, accept: 'application/json', user: AGGREGATOR, timeoutMs: TIMEOUT_MS, headers };
    const answer = await connections.fetch(remote, asked);
    if (!('problem' in answer)) return answer;
    log.debug('OpenAPI of another API server failed', { apiService: remote.name, path, error: answer.problem });
    return undefined;
  }

  #changed({ name }: RemoteApi, known: Known): void {
    if (this.#known.get(name) === known) this.#generation++;
  }
}

function jsonOf({ body }: Fetched): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    return isJsonObject(value) ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
