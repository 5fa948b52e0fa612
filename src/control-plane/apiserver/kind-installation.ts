/**
 * Serves the kinds of CustomResourceDefinitions as they come, change and go: puts them into the registry, says in the
 * status which names it took, and empties a kind before its definition goes. What is Established is served. Source:
 * "Extend the Kubernetes API with CustomResourceDefinitions"; upstream's naming and finalizer controllers.
 */
import { CustomResourceDefinition } from '#api/apiextensions/v1/custom-resource-definition.ts';
import { hasUsableBundle } from '#api/apiextensions/v1/definition-conversion.ts';
import type { CustomResourceConversion } from '#api/generated/schema.ts';
import { isEqual } from '#api/machinery/equal.ts';
import type { Converter, Kind } from '#api/machinery/kind.ts';
import { kindsFromDefinition, storedKindFromDefinition } from '#api/machinery/kind-from-definition.ts';
import type { MutableKindRegistry } from '#api/machinery/kind-registry.ts';
import { hasReason } from '#api/machinery/status.ts';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Client } from '#client/client.ts';
import type { Informers } from '#client/informer.ts';
import { acceptedNames, type Names, namesOf, takenNames } from './definition-names.ts';
import { DefinitionEmptying } from './definition-emptying.ts';
import { type DefinitionStatus, isEstablished, statusOf, terminating } from './definition-status.ts';
import type { Caches } from './registry/caches.ts';
import { CLEANUP_FINALIZER } from './registry/custom-resource-definition.ts';

export interface KindInstallationOptions {
  kinds: MutableKindRegistry;
  caches: Caches;
  client: Client;
  informers: Informers;
  /** Deletes one object, without admission. Throws NotFound. */
  remove(kind: Kind, at: { namespace: string; name: string }): Promise<void>;
  converterFor(webhook: NonNullable<CustomResourceConversion['webhook']>): Converter;
  clock: Clock;
  log: Log;
  signal: AbortSignal;
}

const RETRY_MS = 1000;
/** How often a kind that is being emptied is looked at: its objects may have finalizers of their own. */
const EMPTYING_MS = 500;
const REFUSAL = 'create not allowed while custom resource definition is terminating';

interface Installed {
  definition: CustomResourceDefinition;
  names: Names;
  kinds: readonly Kind[];
  /** Under which its objects are stored; a version that need not be served. */
  stored: Kind | undefined;
}

export class KindInstallation {
  readonly #options: KindInstallationOptions;
  /** By name of the definition. */
  readonly #installed = new Map<string, Installed>();
  /** What each definition was given, by its name. */
  readonly #accepted = new Map<string, { group: string; names: Names }>();
  /** Kinds of the system itself: no definition takes their names. */
  readonly #builtIn: readonly Kind[];
  readonly #dirty = new Set<string>();
  readonly #emptying: DefinitionEmptying;
  readonly #beingEmptied = new Set<string>();
  #working: Promise<void> | undefined;

  constructor(options: KindInstallationOptions) {
    this.#options = options;
    this.#emptying = new DefinitionEmptying(options);
    this.#builtIn = options.kinds.all();
  }

  /** Resolves when everything that is defined now is served. */
  async start(): Promise<void> {
    const { informers, signal } = this.#options;
    const definitions = informers.for(CustomResourceDefinition);
    const stop = definitions.onChange(({ key }) => this.#look(key));
    signal.addEventListener('abort', stop, { once: true });
    await informers.synced(signal);
    for (const { metadata, spec, status } of definitions.list())
      if (status?.acceptedNames) this.#accepted.set(metadata.name, { group: spec.group, names: status.acceptedNames });
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
    const { signal } = this.#options;
    for (const name of this.#dirty) {
      this.#dirty.delete(name);
      if (signal.aborted) return;
      try {
        await this.#sync(name);
      } catch (error) {
        this.#failed(name, error);
      }
    }
  }

  async #sync(name: string): Promise<void> {
    const definition = this.#options.informers.for(CustomResourceDefinition).get(name);
    if (!definition) return this.#uninstall(name);
    const { metadata } = definition;
    const accepted = this.#acceptNames(definition);
    const mayBeServed = !accepted.conflict && hasUsableBundle(definition.spec);
    if (mayBeServed || isEstablished(definition)) this.#install(definition, accepted.names);
    if (metadata.deletionTimestamp && metadata.finalizers?.includes(CLEANUP_FINALIZER)) this.#beginToEmpty(definition);
    if (metadata.deletionTimestamp) return;
    await this.#writeStatus(definition, statusOf(definition, accepted, this.#options.clock.now()));
  }

  #acceptNames(definition: CustomResourceDefinition) {
    const { name } = definition.metadata;
    const { group } = definition.spec;
    const others = [...this.#accepted].filter(([other, given]) => other !== name && given.group === group);
    const builtIn = this.#builtIn.filter((kind) => kind.group === group).map(namesOf);
    const taken = takenNames([...others.map(([, { names }]) => names), ...builtIn]);
    const before = this.#accepted.get(name)?.names ?? {};
    const accepted = acceptedNames(definition, before, taken);
    this.#accepted.set(name, { group, names: accepted.names });
    if (!isEqual(before, accepted.names)) this.#lookAtOthersOf(group, name); // a name may have become free
    return accepted;
  }

  #lookAtOthersOf(group: string, name: string): void {
    for (const other of this.#options.informers.for(CustomResourceDefinition).list())
      if (other.spec.group === group && other.metadata.name !== name) this.#look(other.metadata.name);
  }

  #install(definition: CustomResourceDefinition, names: Names): void {
    const { metadata, spec } = definition;
    const before = this.#installed.get(metadata.name);
    const isGoing = metadata.deletionTimestamp !== undefined;
    if (before?.definition.metadata.uid !== metadata.uid) this.#remove(before?.kinds ?? []);
    else if (isEqual(before.definition.spec, spec) && isEqual(before.names, names)) {
      if (isGoing && !before.definition.metadata.deletionTimestamp) this.#closeToCreates(definition, before);
      return;
    }
    const { kinds: registry, caches, converterFor } = this.#options;
    const { strategy, webhook } = spec.conversion;
    const converter = strategy === 'Webhook' && webhook ? converterFor(webhook) : undefined;
    const named = { ...definition, spec: { ...spec, names } };
    const made = kindsFromDefinition(named, converter);
    const stored = storedKindFromDefinition(named, converter);
    const kinds = isGoing ? made.map((kind) => ({ ...kind, refusesCreate: REFUSAL })) : made;
    for (const kind of kinds) registry.add(kind);
    this.#remove((before?.kinds ?? []).filter((old) => !kinds.some(({ version }) => version === old.version)));
    this.#installed.set(metadata.name, { definition, names, kinds, stored });
    const [kind] = kinds.length > 0 ? kinds : (before?.kinds ?? []);
    if (before && kind) caches.renew(kind);
  }

  #closeToCreates(definition: CustomResourceDefinition, installed: Installed): void {
    const closed = installed.kinds.map((kind) => ({ ...kind, refusesCreate: REFUSAL }));
    for (const kind of closed) this.#options.kinds.add(kind);
    this.#installed.set(definition.metadata.name, { ...installed, definition, kinds: closed });
  }

  #remove(kinds: readonly Kind[]): void {
    for (const kind of kinds) this.#options.kinds.remove(kind);
  }

  async #uninstall(name: string): Promise<void> {
    const { stored, kinds = [] } = this.#installed.get(name) ?? {};
    this.#installed.delete(name);
    const group = this.#accepted.get(name)?.group;
    this.#accepted.delete(name);
    if (group !== undefined) this.#lookAtOthersOf(group, name);
    this.#remove(kinds);
    if (stored) await this.#options.caches.drop(stored);
  }

  /** Beside everything else: whoever converts the objects may let it wait. */
  #beginToEmpty(definition: CustomResourceDefinition): void {
    const { name } = definition.metadata;
    if (this.#beingEmptied.has(name)) return;
    this.#beingEmptied.add(name);
    void this.#empty(definition)
      .catch((error: unknown) => this.#failed(name, error))
      .finally(() => this.#beingEmptied.delete(name));
  }

  #failed(definition: string, error: unknown): void {
    const { log, signal } = this.#options;
    if (signal.aborted) return;
    if (!hasReason(error, 'Conflict', 'NotFound'))
      log.warn('a definition could not be installed', { definition, error: String(error) });
    this.#lookLater(definition, RETRY_MS);
  }

  async #empty(definition: CustomResourceDefinition): Promise<void> {
    const { client, clock } = this.#options;
    const nowMs = clock.now();
    const kind = this.#installed.get(definition.metadata.name)?.stored;
    if (kind && isEstablished(definition)) {
      const isEmpty = await this.#emptying.deleteAll(definition, kind);
      if (!isEmpty) return this.#lookLater(definition.metadata.name, EMPTYING_MS);
    }
    const finalizers = definition.metadata.finalizers?.filter((finalizer) => finalizer !== CLEANUP_FINALIZER);
    const reason = isEstablished(definition) ? 'InstanceDeletionCompleted' : 'NeverEstablished';
    const metadata = { ...definition.metadata, finalizers };
    const status = terminating(definition, reason, { nowMs });
    await client.update(CustomResourceDefinition, { ...definition, metadata, status });
  }

  async #writeStatus(definition: CustomResourceDefinition, status: DefinitionStatus): Promise<void> {
    if (isEqual(status, definition.status)) return;
    await this.#options.client.updateStatus(CustomResourceDefinition, { ...definition, status });
  }
}
