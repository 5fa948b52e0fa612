import type { Log } from '#base/log.ts';
import type { IpFamily } from '#network/netfilter/ip-family.ts';
import {
  type ConntrackCall,
  type FlowPort,
  flowsTo,
  type Gone,
  goneBetween,
  type ListFlows,
  type RunConntrack,
  servingAt,
} from './conntrack.ts';
import { leftFlows } from './left-flows.ts';

/** Each walks through all that the kernel knows: for more a look tells which are needed, and no change of the rules waits for more. */
const MOST_CALLS = 8;

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
    const gone: Gone[] = [];
    let hasBegun = false;
    for (const [key, ports] of changed) {
      const now = ports.filter(({ protocol }) => protocol === 'udp');
      const before = this.#ports.get(key) ?? [];
      if (now.length > 0) this.#ports.set(key, now);
      else this.#ports.delete(key);
      gone.push(...goneBetween(before, now));
      hasBegun ||= begin(now, before);
    }
    const calls = hasBegun || gone.length > MOST_CALLS ? await this.#left(gone) : flowsTo(gone, this.#family);
    const forgotten = this.#forget(calls);
    if (calls.length <= MOST_CALLS) await forgotten;
  }

  async #left(gone: readonly Gone[]): Promise<ConntrackCall[]> {
    const family = this.#family;
    const { listFlows, nodeIPs } = this.#options;
    const ports = [...this.#ports.values()].flat();
    try {
      return await leftFlows(listFlows(family), { family, ports, nodeIPs: nodeIPs(), gone });
    } catch (error) {
      this.#tell(error);
      return flowsTo(gone, family);
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
