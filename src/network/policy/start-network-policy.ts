/**
 * NetworkPolicy on one node: what its own pods may send and receive, in the node's nftables. Each node judges its own pods'
 * egress and ingress, so a packet between two nodes is judged twice. Nothing is listed and no rule exists without a policy.
 */
import { Namespace } from '#api/core/v1/namespace.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { keyOf } from '#api/machinery/object.ts';
import { NetworkPolicy } from '#api/networking/v1/network-policy.ts';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Informer, Informers } from '#client/informer.ts';
import { ApplyLoop } from '#network/netfilter/apply-loop.ts';
import {
  type FindDifferences,
  findDifferences,
  type HasRules,
  hasRules,
  type RunNft,
  runNft,
} from '#network/netfilter/nft.ts';
import type { RuleWatch } from '#network/netfilter/rule-watch.ts';
import { TableContents } from '#network/netfilter/table-contents.ts';
import { inTurns, piecewise } from '#network/netfilter/turns.ts';
import { PolicyState } from './policy-state.ts';
import { PolicyTable, type PolicyTableContext, policyTableName } from './policy-table.ts';

export interface NetworkPolicyOptions {
  nodeName: string;
  informers: Informers;
  clock: Clock;
  log: Log;
  signal: AbortSignal;
  /** One table for each address family that the cluster has. */
  tables: readonly PolicyTableContext[];
  /** Tells of rules that others remove; undefined: they are missed at the next look. */
  ruleWatch?: RuleWatch;
  /** For tests. */
  nft?: RunNft;
  hasRules?: HasRules;
  findDifferences?: FindDifferences;
}

export interface RunningNetworkPolicy {
  /** Resolves when the rules hold all that was known at the start. */
  ready: Promise<void>;
  /** Resolves when the last transaction has ended, after `signal` aborted. The rules stay: a restart opens nothing. */
  stopped: Promise<void>;
}

export function startNetworkPolicy(options: NetworkPolicyOptions): RunningNetworkPolicy {
  const families = options.tables.map((table) => new FamilyPolicy(options, table));
  return {
    ready: Promise.all(families.map(({ ready }) => ready)).then(() => undefined),
    stopped: Promise.all(families.map((family) => family.run())).then(() => undefined),
  };
}

/** Some of them have all pods in them. */
const COMMANDS_AT_A_TIME = 5;
/** Its rules are the same as long as a policy is enforced. */
const WITNESS = 'forward';

class FamilyPolicy {
  readonly ready: Promise<void>;
  readonly #options: NetworkPolicyOptions;
  readonly #loop: ApplyLoop;
  readonly #state: PolicyState;
  readonly #table: PolicyTable;
  readonly #policies: Informer<NetworkPolicy>;
  #pods: Informer<Pod> | undefined;
  readonly #stops: (() => void)[] = [];

  constructor(options: NetworkPolicyOptions, context: PolicyTableContext) {
    const { clock, log, signal, nodeName, informers } = options;
    this.#options = options;
    this.#state = new PolicyState({ family: context.family, nodeName });
    this.#table = new PolicyTable(context);
    this.#policies = informers.for(NetworkPolicy);
    const name = policyTableName(context.family);
    const isInForce = async () => !this.#state.plan().isEnforced || (options.hasRules ?? hasRules)(name, WITNESS);
    const forget = () => this.#table.forget();
    const differences = async (overtaken: AbortSignal) => {
      if (!this.#state.plan().isEnforced) return [];
      const wanted = await this.#wanted(context);
      return overtaken.aborted ? [] : (options.findDifferences ?? findDifferences)(name, wanted, overtaken);
    };
    this.#loop = new ApplyLoop({ clock, log, signal, apply: () => this.#apply(), forget, isInForce, differences });
    options.ruleWatch?.onRemoval([`${name} ${WITNESS}`], () => this.#loop.look());
    this.ready = this.#loop.ready;
  }

  async run(): Promise<void> {
    const { informers, signal } = this.#options;
    const changed = () => this.#loop.mark('rules');
    this.#stops.push(
      this.#policies.onChange(({ key, now }) => {
        this.#state.putPolicy(key, now);
        changed();
      }),
    );
    try {
      await informers.synced(signal);
      // An informer that somebody else had before tells of no change.
      for (const policy of this.#policies.list()) this.#state.putPolicy(keyOf(policy), policy);
      await this.#loop.run();
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      for (const stop of this.#stops) stop();
    }
  }

  /** Only when nothing is marked: what changed since the last transaction must not be taken for applied. */
  async #wanted(context: PolicyTableContext): Promise<TableContents> {
    const wanted = new TableContents([]);
    const { commands } = new PolicyTable(context).commandsFor(this.#state.plan());
    await inTurns(piecewise(commands, COMMANDS_AT_A_TIME, (command) => wanted.add([command])));
    return wanted;
  }

  async #apply(): Promise<void> {
    if (this.#policies.list().length > 0) await this.#followPods();
    const { commands, applied } = this.#table.commandsFor(this.#state.plan());
    if (commands.length > 0) await (this.#options.nft ?? runNft)(commands);
    applied();
  }

  /** Only from the first policy on: a cluster without any need not tell every node of every pod. */
  async #followPods(): Promise<void> {
    if (this.#pods) return;
    const { informers, signal } = this.#options;
    const pods = informers.for(Pod);
    const namespaces = informers.for(Namespace);
    this.#pods = pods;
    this.#stops.push(
      pods.onChange(({ key, now }) => {
        this.#state.putPod(key, now);
        this.#loop.mark('rules');
      }),
      namespaces.onChange(({ key, now }) => {
        this.#state.putNamespace(key, now && (now.metadata.labels ?? {}));
        this.#loop.mark('rules');
      }),
    );
    await informers.synced(signal);
    for (const { metadata } of namespaces.list()) this.#state.putNamespace(metadata.name, metadata.labels ?? {});
    for (const pod of pods.list()) this.#state.putPod(keyOf(pod), pod);
  }
}
