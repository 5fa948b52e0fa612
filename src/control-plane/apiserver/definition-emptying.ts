/**
 * Takes away the objects of a definition that is being deleted, and says in its status how far that is. Source: upstream's
 * finalizer controller; reasons and texts as there.
 */
import { CustomResourceDefinition } from '#api/apiextensions/v1/custom-resource-definition.ts';
import { isEqual } from '#api/machinery/equal.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { hasReason, StatusError } from '#api/machinery/status.ts';
import type { Clock } from '#base/clock.ts';
import type { Client } from '#client/client.ts';
import { type TerminatingReason, terminating } from './definition-status.ts';
import type { Caches } from './registry/caches.ts';

export interface EmptyingServices {
  client: Client;
  caches: Pick<Caches, 'of'>;
  /** Without admission: nobody may keep a definition. Throws NotFound. */
  remove(kind: Kind, at: Place): Promise<void>;
  clock: Clock;
}

/** After so long it is said that some are still there: they may have finalizers that nobody takes away. */
const CHECK_MS = 60_000;

interface Place {
  namespace: string;
  name: string;
}

export class DefinitionEmptying {
  readonly #services: EmptyingServices;
  /** Since when the last objects are waited for, by uid of the definition. */
  readonly #since = new Map<string, number>();

  constructor(services: EmptyingServices) {
    this.#services = services;
  }

  /** Whether all have gone. Throws what keeps them from going, after the status says it. */
  async deleteAll(definition: CustomResourceDefinition, kind: Kind): Promise<boolean> {
    const { uid } = definition.metadata;
    const items = await this.#listed(definition, kind);
    if (items.length === 0) {
      this.#since.delete(uid);
      return true;
    }
    const said = await this.#say(definition, 'InstanceDeletionInProgress');
    await this.#deleteEach(said, kind, items);
    if (this.#hasWaitedLong(uid)) await this.#say(said, 'InstanceDeletionCheck', 'context deadline exceeded');
    return false;
  }

  async #listed(definition: CustomResourceDefinition, kind: Kind): Promise<readonly Place[]> {
    try {
      return (await this.#services.caches.of(kind).list({ freshness: 'newest' })).items;
    } catch (error) {
      if (error instanceof StatusError)
        await this.#say(definition, 'InstanceDeletionFailed', `could not list instances: ${error.message}`);
      throw error;
    }
  }

  async #deleteEach(definition: CustomResourceDefinition, kind: Kind, items: readonly Place[]): Promise<void> {
    const failures: StatusError[] = [];
    for (const at of items) {
      try {
        await this.#services.remove(kind, at);
      } catch (error) {
        if (!(error instanceof StatusError)) throw error;
        if (!hasReason(error, 'NotFound')) failures.push(error);
      }
    }
    const [first] = failures;
    if (!first) return;
    const texts = [...new Set(failures.map(({ message }) => message))];
    const why = texts.length === 1 ? texts[0]! : `[${texts.join(', ')}]`;
    await this.#say(definition, 'InstanceDeletionFailed', `could not issue all deletes: ${why}`);
    throw first;
  }

  /** Counts anew once it has said so. */
  #hasWaitedLong(uid: string): boolean {
    const nowMs = this.#services.clock.monotonicMs();
    const since = this.#since.get(uid) ?? nowMs;
    if (nowMs - since < CHECK_MS) {
      this.#since.set(uid, since);
      return false;
    }
    this.#since.delete(uid);
    return true;
  }

  /** As it stands afterwards. */
  async #say(
    definition: CustomResourceDefinition,
    reason: TerminatingReason,
    why?: string,
  ): Promise<CustomResourceDefinition> {
    const { client, clock } = this.#services;
    const status = terminating(definition, reason, { nowMs: clock.now(), ...(why !== undefined && { why }) });
    if (isEqual(status, definition.status)) return definition;
    return client.updateStatus(CustomResourceDefinition, { ...definition, status });
  }
}
