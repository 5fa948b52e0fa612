/** The leases by which simulated nodes say that they live. */
import { Lease } from '#api/coordination/v1/lease.ts';
import { hasReason } from '#api/machinery/status.ts';
import type { Clock } from '#base/clock.ts';
import type { Client } from '#client/client.ts';
import { LEASE_NAMESPACE, leaseSpec } from './simulated-node.ts';

export class NodeLeases {
  readonly #options: { client: Client; clock: Clock; seconds: number };
  /** As they were written last, by node. */
  readonly #written = new Map<string, Lease>();

  constructor(options: { client: Client; clock: Clock; seconds: number }) {
    this.#options = options;
  }

  /** As kubelets do: the lease is written over as it was written last, and asked for only when somebody else changed it. */
  async renew(name: string): Promise<void> {
    const { client, clock, seconds } = this.#options;
    const spec = leaseSpec(name, { seconds, nowMs: clock.now() });
    const last = this.#written.get(name);
    try {
      this.#written.set(name, await (last ? client.update(Lease, { ...last, spec }) : this.#make(name, spec)));
    } catch (error) {
      if (!last || !hasReason(error, 'Conflict', 'NotFound')) throw error;
      this.#written.set(name, await this.#make(name, spec));
    }
  }

  forget(name: string): void {
    this.#written.delete(name);
  }

  async #make(name: string, spec: Lease['spec']): Promise<Lease> {
    const { client } = this.#options;
    const at = { name, namespace: LEASE_NAMESPACE };
    try {
      return await client.create(Lease, { metadata: at, spec });
    } catch (error) {
      if (!hasReason(error, 'AlreadyExists')) throw error;
      return client.patch(Lease, at, { type: 'merge', patch: { spec } });
    }
  }
}
