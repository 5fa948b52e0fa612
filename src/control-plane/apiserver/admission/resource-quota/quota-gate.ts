/**
 * Where writes into a namespace wait for its quotas: one after the other, so that two cannot take the same last place. Those
 * that came while others were judged are judged together, and each quota is written once for all of them. A write of somebody
 * else in between makes it a conflict, and what was not settled is judged again. What is charged for a write that fails
 * afterwards comes back when the quota controller counts. Source: upstream's admission/plugin/resourcequota.
 */
import { isSameAmounts } from '#api/core/v1/quota/amounts.ts';
import type { ResourceQuota } from '#api/core/v1/resource-quota.ts';
import { StatusError } from '#api/machinery/status.ts';
import { checkQuotas, type QuotaCheck } from './check-quotas.ts';

/** How quotas are read and written. */
export interface QuotaStore {
  /** Of one namespace, as they are now. */
  quotasIn(namespace: string): Promise<readonly ResourceQuota[]>;
  /** Throws Conflict when somebody else wrote it meanwhile. */
  writeStatus(quota: ResourceQuota): Promise<unknown>;
}

interface Waiting extends QuotaCheck {
  dryRun: boolean;
  /** undefined: let in. */
  settle(refusal?: string | Error): void;
}

const MAX_RETRIES = 3;

export class QuotaGate {
  readonly #store: QuotaStore;
  readonly #waiting = new Map<string, Waiting[]>();

  constructor(store: QuotaStore) {
    this.#store = store;
  }

  /** Why the write is refused; undefined when it may go on, and is charged. */
  async pass(namespace: string, check: QuotaCheck & { dryRun: boolean }): Promise<string | undefined> {
    return new Promise((resolve, reject) => {
      const settle = (outcome?: string | Error) => (outcome instanceof Error ? reject(outcome) : resolve(outcome));
      const line = this.#waiting.get(namespace);
      if (line) {
        line.push({ ...check, settle });
        return;
      }
      this.#waiting.set(namespace, [{ ...check, settle }]);
      void this.#serve(namespace);
    });
  }

  async #serve(namespace: string): Promise<void> {
    for (;;) {
      const batch = this.#waiting.get(namespace) ?? [];
      if (batch.length === 0) {
        this.#waiting.delete(namespace);
        return;
      }
      this.#waiting.set(namespace, []);
      try {
        await this.#judge(await this.#store.quotasIn(namespace), batch, { namespace, retries: MAX_RETRIES });
      } catch (error) {
        for (const { settle } of batch) settle(error as Error); // who has been settled already does not notice
      }
    }
  }

  async #judge(
    quotas: readonly ResourceQuota[],
    batch: readonly Waiting[],
    { namespace, retries }: { namespace: string; retries: number },
  ): Promise<void> {
    const charged: Waiting[] = [];
    let now = quotas;
    for (const one of batch) {
      const verdict = checkQuotas(now, one);
      if ('refusal' in verdict) one.settle(verdict.refusal);
      else if (one.dryRun || isUncharged(now, verdict.quotas)) one.settle();
      else {
        charged.push(one);
        now = verdict.quotas;
      }
    }
    if (charged.length === 0) return;
    const changed = now.filter((quota, i) => !isSameAmounts(quota.status?.used ?? {}, quotas[i]?.status?.used ?? {}));
    const lost = await this.#write(changed);
    if (lost.names.size === 0) {
      for (const { settle } of charged) settle();
      return;
    }
    if (retries === 0) throw lost.error;
    const fresh = (await this.#store.quotasIn(namespace)).filter(({ metadata }) => lost.names.has(metadata.name));
    if (fresh.length === 0) {
      for (const { settle } of charged) settle(); // the quotas have gone meanwhile
      return;
    }
    await this.#judge(fresh, charged, { namespace, retries: retries - 1 });
  }

  async #write(changed: readonly ResourceQuota[]): Promise<{ names: Set<string>; error: unknown }> {
    const names = new Set<string>();
    let error: unknown;
    for (const quota of changed) {
      try {
        await this.#store.writeStatus(quota);
      } catch (reason) {
        if (!(reason instanceof StatusError)) throw reason;
        names.add(quota.metadata.name);
        error = reason;
      }
    }
    return { names, error };
  }
}

const isUncharged = (before: readonly ResourceQuota[], after: readonly ResourceQuota[]): boolean =>
  after.every(
    (quota, i) => quota === before[i] || isSameAmounts(quota.status?.used ?? {}, before[i]?.status?.used ?? {}),
  );
