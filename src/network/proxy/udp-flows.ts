import type { Log } from '#base/log.ts';
import type { IpFamily } from '#network/netfilter/ip-family.ts';
import {
  type ConntrackCall,
  type FlowPort,
  type ListFlows,
  type RunConntrack,
  servingAt,
  staleFlows,
} from './conntrack.ts';
import { leftFlows } from './left-flows.ts';

export interface UdpFlowsOptions {
  conntrack: RunConntrack;
  listFlows: ListFlows;
  nodeIPs: () => ReadonlySet<string>;
  log: Log;
}

/** Those of UDP outlive a change of the rules: forgets the ones that lead to nobody who serves. */
export class UdpFlows {
  readonly #family: IpFamily;
  readonly #options: UdpFlowsOptions;
  /** By Service or pod: its ports of UDP. */
  readonly #ports = new Map<string, FlowPort[]>();

  constructor(family: IpFamily, options: UdpFlowsOptions) {
    this.#family = family;
    this.#options = options;
  }

  /** Whether the Service or pod has, or had, a port of UDP. */
  has(key: string): boolean {
    return this.#ports.has(key);
  }

  /** To be called when rules are in force. @param changed all ports that each has from now on. */
  async follow(changed: ReadonlyMap<string, readonly FlowPort[]>): Promise<void> {
    const stale: ConntrackCall[] = [];
    let hasBegun = false;
    for (const [key, ports] of changed) {
      const now = ports.filter(({ protocol }) => protocol === 'udp');
      const before = this.#ports.get(key) ?? [];
      if (now.length > 0) this.#ports.set(key, now);
      else this.#ports.delete(key);
      stale.push(...staleFlows(before, now, this.#family));
      hasBegun ||= begin(now, before);
    }
    // One look for however many. Each call walks through all that the kernel knows, and changes are not to wait for many.
    if (hasBegun) void this.#forget(await this.#left());
    await this.#forget(stale);
  }

  async #left(): Promise<ConntrackCall[]> {
    const family = this.#family;
    const { listFlows, nodeIPs } = this.#options;
    try {
      return await leftFlows(listFlows(family), {
        family,
        ports: [...this.#ports.values()].flat(),
        nodeIPs: nodeIPs(),
      });
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

/** Flows may have been led elsewhere before: all that there were before this process, too. */
function begin(now: readonly FlowPort[], before: readonly FlowPort[]): boolean {
  const known = servingAt(before);
  return [...servingAt(now).keys()].some((at) => !known.has(at));
}
