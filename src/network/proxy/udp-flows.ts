import type { Log } from '#base/log.ts';
import type { IpFamily } from '#network/netfilter/ip-family.ts';
import { type ConntrackCall, type ListFlows, type RunConntrack, staleFlows } from './conntrack.ts';
import { leftFlows } from './left-flows.ts';
import type { ServicePort } from './service-port.ts';

export interface UdpFlowsOptions {
  conntrack: RunConntrack;
  listFlows: ListFlows;
  log: Log;
}

/** Those of UDP outlive a change of the rules: forgets the ones that lead to an endpoint that serves no more. */
export class UdpFlows {
  readonly #family: IpFamily;
  readonly #options: UdpFlowsOptions;
  /** By Service: its ports of UDP. */
  readonly #ports = new Map<string, ServicePort[]>();
  /** What was led elsewhere before this process began to lead. */
  #mayBeLeft = true;

  constructor(family: IpFamily, options: UdpFlowsOptions) {
    this.#family = family;
    this.#options = options;
  }

  /** Whether the Service has, or had, a port of UDP. */
  has(service: string): boolean {
    return this.#ports.has(service);
  }

  /** To be called when rules are in force; with all Services at first. @param changed all their ports. */
  async follow(changed: ReadonlyMap<string, readonly ServicePort[]>): Promise<void> {
    const stale = [...changed].flatMap(([service, ports]) => this.#change(service, ports));
    const left = this.#mayBeLeft ? await this.#left() : [];
    this.#mayBeLeft = false;
    void this.#forget(left); // each call walks through all that the kernel knows, and changes are not to wait for many
    await this.#forget(stale);
  }

  #change(service: string, ports: readonly ServicePort[]): ConntrackCall[] {
    const now = ports.filter(({ protocol }) => protocol === 'udp');
    const before = this.#ports.get(service) ?? [];
    if (now.length > 0) this.#ports.set(service, now);
    else this.#ports.delete(service);
    return staleFlows(before, now);
  }

  async #left(): Promise<ConntrackCall[]> {
    if (this.#ports.size === 0) return [];
    try {
      return await leftFlows(this.#options.listFlows(this.#family), this.#family, [...this.#ports.values()].flat());
    } catch (error) {
      this.#tell(error);
      return [];
    }
  }

  async #forget(calls: readonly ConntrackCall[]): Promise<void> {
    for (const call of calls) await this.#options.conntrack(call).catch((error: unknown) => this.#tell(error));
  }

  #tell(error: unknown): void {
    this.#options.log.warn('could not forget UDP flows; clients may wait for their time-out', { error: String(error) });
  }
}
