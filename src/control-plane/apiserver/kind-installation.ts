/**
 * Serves the kinds of CustomResourceDefinitions as they come, change and go: puts them into the registry, says in the
 * status which names it took, and empties a kind before its definition goes. What is Established is served. Source:
 * "Extend the Kubernetes API with CustomResourceDefinitions"; upstream's naming and finalizer controllers.
 */
import { CustomResourceDefinition } from '#api/apiextensions/v1/custom-resource-definition.ts';
import { isEqual } from '#api/machinery/equal.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { kindsFromDefinition } from '#api/machinery/kind-from-definition.ts';
import type { MutableKindRegistry } from '#api/machinery/kind-registry.ts';
import { hasReason } from '#api/machinery/status.ts';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Client } from '#client/client.ts';
import type { Informers } from '#client/informer.ts';
import { type DefinitionStatus, nameConflictOf, statusOf, terminating } from './definition-status.ts';
import type { Caches } from './registry/caches.ts';
import { CLEANUP_FINALIZER } from './registry/custom-resource-definition.ts';

export interface KindInstallationOptions {
  kinds: MutableKindRegistry;
  caches: Caches;
  client: Client;
  informers: Informers;
  clock: Clock;
  log: Log;
  signal: AbortSignal;
}

const RETRY_MS = 1000;
/** How often a kind that is being emptied is looked at: its objects may have finalizers of their own. */
const EMPTYING_MS = 500;

export class KindInstallation {
  readonly #options: KindInstallationOptions;
  /** By name of the definition. */
  readonly #installed = new Map<string, { generation: number | undefined; kinds: readonly Kind[] }>();
  readonly #dirty = new Set<string>();
  #working: Promise<void> | undefined;

  constructor(options: KindInstallationOptions) {
    this.#options = options;
  }

  /** Resolves when everything that is defined now is served. */
  async start(): Promise<void> {
    const { informers, signal } = this.#options;
    const definitions = informers.for(CustomResourceDefinition);
    const stop = definitions.onChange(({ key }) => this.#look(key));
    signal.addEventListener('abort', stop, { once: true });
    await informers.synced(signal);
    for (const { metadata } of definitions.list()) this.#look(metadata.name);
    await this.#working;
  }

  #look(name: string): void {
    this.#dirty.add(name);
    this.#working ??= this.#work().finally(() => {
      this.#working = undefined;
      const [left] = this.#dirty;
      if (left !== undefined) this.#look(left);
    });
  }

  #lookLater(name: string, ms: number): void {
    const { clock, signal } = this.#options;
    const timer = clock.timer(ms, () => this.#look(name));
    signal.addEventListener('abort', () => timer.cancel(), { once: true });
  }

  /** One definition after the other: names are taken in this order. */
  async #work(): Promise<void> {
    const { log, signal } = this.#options;
    for (const name of this.#dirty) {
      this.#dirty.delete(name);
      if (signal.aborted) return;
      try {
        await this.#sync(name);
      } catch (error) {
        if (signal.aborted) return;
        if (!hasReason(error, 'Conflict', 'NotFound'))
          log.warn('a definition could not be installed', { definition: name, error: String(error) });
        this.#lookLater(name, RETRY_MS);
      }
    }
  }

  async #sync(name: string): Promise<void> {
    const definition = this.#options.informers.for(CustomResourceDefinition).get(name);
    if (!definition) return this.#uninstall(name);
    const { metadata } = definition;
    const conflict = nameConflictOf(definition, this.#kindsOfOthers(name));
    if (!conflict) this.#install(definition);
    if (metadata.deletionTimestamp && metadata.finalizers?.includes(CLEANUP_FINALIZER)) return this.#empty(definition);
    if (metadata.deletionTimestamp) return;
    await this.#writeStatus(definition, statusOf(definition, conflict, this.#options.clock.now()));
  }

  #kindsOfOthers(name: string): readonly Kind[] {
    const own = new Set(this.#installed.get(name)?.kinds);
    return this.#options.kinds.all().filter((kind) => !own.has(kind));
  }

  #install(definition: CustomResourceDefinition): void {
    const { name, generation } = definition.metadata;
    const before = this.#installed.get(name);
    if (before && before.generation === generation) return;
    const { kinds: registry } = this.#options;
    const kinds = kindsFromDefinition(definition);
    for (const kind of kinds) registry.add(kind);
    for (const old of before?.kinds ?? [])
      if (!kinds.some(({ version }) => version === old.version)) registry.remove(old);
    this.#installed.set(name, { generation, kinds });
  }

  async #uninstall(name: string): Promise<void> {
    const { kinds: registry, caches } = this.#options;
    const kinds = this.#installed.get(name)?.kinds ?? [];
    this.#installed.delete(name);
    for (const kind of kinds) registry.remove(kind);
    if (kinds[0]) await caches.drop(kinds[0]);
  }

  async #empty(definition: CustomResourceDefinition): Promise<void> {
    const { client, caches, clock } = this.#options;
    const { name } = definition.metadata;
    const [kind] = this.#installed.get(name)?.kinds ?? [];
    const { items } = kind ? await caches.of(kind).list({ freshness: 'newest' }) : { items: [] };
    if (kind && items.length > 0) {
      await this.#writeStatus(definition, terminating(definition, 'InstanceDeletionInProgress', clock.now()));
      for (const { namespace, name: object } of items)
        await deleteUnlessGone(client, kind, { namespace, name: object });
      return this.#lookLater(name, EMPTYING_MS);
    }
    const finalizers = definition.metadata.finalizers?.filter((finalizer) => finalizer !== CLEANUP_FINALIZER);
    const status = terminating(definition, 'InstanceDeletionCompleted', clock.now());
    const metadata = { ...definition.metadata, finalizers };
    await client.update(CustomResourceDefinition, { ...definition, metadata, status });
  }

  async #writeStatus(definition: CustomResourceDefinition, status: DefinitionStatus): Promise<void> {
    if (isEqual(status, definition.status)) return;
    await this.#options.client.updateStatus(CustomResourceDefinition, { ...definition, status });
  }
}

async function deleteUnlessGone(client: Client, kind: Kind, at: { namespace: string; name: string }): Promise<void> {
  const { namespace, name } = at;
  try {
    await client.delete(kind, { name, ...(namespace && { namespace }) });
  } catch (error) {
    if (!hasReason(error, 'NotFound')) throw error;
  }
}
