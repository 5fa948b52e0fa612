/**
 * APIServices for what this server serves itself: for its own groups once at each start, for those of
 * CustomResourceDefinitions as these come and go. What somebody else put in their place is left alone. Source: upstream's
 * kube-aggregator, autoregister controller, and crdregistration.
 */
import { CustomResourceDefinition } from '#api/apiextensions/v1/custom-resource-definition.ts';
import { APIService } from '#api/apiregistration/v1/api-service.ts';
import { isEqual } from '#api/machinery/equal.ts';
import type { KindRegistry } from '#api/machinery/kind.ts';
import { hasReason } from '#api/machinery/status.ts';
import { KeyedBackOff } from '#base/back-off.ts';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Random } from '#base/random.ts';
import { WorkQueue } from '#base/work-queue.ts';
import type { Client } from '#client/client.ts';
import type { Informers } from '#client/informer.ts';
import { apiServicePriority } from '../discovery/group-priority.ts';

export interface RegistrationServices {
  client: Client;
  informers: Informers;
  /** As it is before the first definition. */
  kinds: KindRegistry;
  clock: Clock;
  random: Random;
  log: Log;
}

const MANAGED = 'kube-aggregator.kubernetes.io/automanaged';
/** The aggregator's own group is always there, and nobody may stand in for it. */
const OWN_GROUP = 'apiregistration.k8s.io';
const WORKERS = 5;
const BACK_OFF = { firstMs: 5, mostMs: 1_000_000 };

interface Wanted {
  managed: 'onstart' | 'true';
  spec: APIService['spec'];
}

export class Registration {
  readonly #services: RegistrationServices;
  readonly #queue: WorkQueue;
  readonly #backOff: KeyedBackOff;
  readonly #wanted = new Map<string, Wanted>();
  readonly #builtIn: ReadonlySet<string>;
  readonly #atStart = new Set<string>();
  /** Brought into line at least once: what is only seen to at the start is not touched again. */
  readonly #done = new Set<string>();
  readonly #stops: (() => void)[] = [];

  constructor(services: RegistrationServices) {
    this.#services = services;
    this.#backOff = new KeyedBackOff(services.random, BACK_OFF);
    this.#queue = new WorkQueue({ clock: services.clock, workers: WORKERS, work: (name) => this.#work(name) });
    for (const { group, version, verbs } of services.kinds.all())
      if (verbs.length > 0 && group !== OWN_GROUP) this.#want('onstart', group, version);
    this.#builtIn = new Set([...this.#wanted.keys(), `v1.${OWN_GROUP}`]);
  }

  /** Resolves when all that is served now has its APIService. The informers have listed before. */
  async start(): Promise<void> {
    const { informers } = this.#services;
    const apiServices = informers.for(APIService);
    const definitions = informers.for(CustomResourceDefinition);
    for (const { metadata } of apiServices.list()) this.#atStart.add(metadata.name);
    this.#stops.push(
      apiServices.onChange(({ key }) => this.#queue.add(key)),
      definitions.onChange(({ now, before }) => {
        for (const definition of [before, now]) if (definition) this.#lookAt(definition);
      }),
    );
    for (const definition of definitions.list()) this.#lookAt(definition);
    await Promise.all([...new Set([...this.#wanted.keys(), ...this.#atStart])].map((name) => this.#work(name)));
    this.#queue.start();
  }

  stop(): void {
    this.#queue.stop();
    for (const stop of this.#stops) stop();
  }

  #want(managed: Wanted['managed'], group: string, version: string): void {
    const { group: groupPriorityMinimum, version: versionPriority } = apiServicePriority(group, version);
    const spec = { ...(group && { group }), version, groupPriorityMinimum, versionPriority } as APIService['spec'];
    this.#wanted.set(`${version}.${group}`, { managed, spec });
  }

  #lookAt({ spec: { group, versions } }: CustomResourceDefinition): void {
    const all = this.#services.informers.for(CustomResourceDefinition).list();
    for (const { name: version } of versions) {
      const name = `${version}.${group}`;
      if (this.#builtIn.has(name)) continue;
      const isServed = all.some(
        ({ spec }) => spec.group === group && spec.versions.some((one) => one.name === version && one.served),
      );
      if (isServed) this.#want('true', group, version);
      else this.#wanted.delete(name);
      this.#queue.add(name);
    }
  }

  async #work(name: string): Promise<void> {
    try {
      await this.#sync(name);
      this.#done.add(name);
      this.#backOff.forget(name);
    } catch (error) {
      if (hasReason(error, 'AlreadyExists', 'NotFound', 'Conflict')) return; // changed meanwhile: it comes again
      this.#services.log.warn('an APIService could not be registered', { apiService: name, error: String(error) });
      this.#queue.addAfter(name, this.#backOff.nextMs(name));
    }
  }

  async #sync(name: string): Promise<void> {
    const { client, informers } = this.#services;
    const wanted = this.#wanted.get(name);
    const current = informers.for(APIService).get(name);
    if (!current && !wanted) return;
    if (wanted?.managed === 'onstart' && this.#done.has(name)) return;
    if (!current) {
      const labels = { [MANAGED]: wanted!.managed };
      await client.create(APIService, { metadata: { name, labels }, spec: wanted!.spec });
      return;
    }
    const managed = current.metadata.labels?.[MANAGED];
    if (managed !== 'onstart' && managed !== 'true') return;
    if (managed === 'onstart' && (!this.#atStart.has(name) || this.#done.has(name))) return;
    if (!wanted) {
      await client.delete(APIService, { name }, { preconditions: { uid: current.metadata.uid } });
      return;
    }
    if (!isEqual(current.spec, wanted.spec)) await client.update(APIService, { ...current, spec: wanted.spec });
  }
}
