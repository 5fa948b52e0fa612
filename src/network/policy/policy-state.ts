/**
 * All that is known of pods, namespaces and policies in one family of addresses, and what it means for the pods of this
 * node. Changes of other nodes' pods only move elements of sets; which policies mean a pod of this node is worked out again
 * when the pod changed, or a policy that means it.
 */
import type { NetworkPolicy, Pod } from '#api/generated/schema.ts';
import { matchesLabels, selectorFrom } from '#api/machinery/label-selector.ts';
import type { IpFamily } from '#network/netfilter/ip-family.ts';
import { type Chain, chainOf, type Direction, isolation, type PortSet } from './chains.ts';
import { type PodFacts, podFactsOf } from './pod-facts.ts';
import { PodSet, type PodSetSpec } from './pod-set.ts';
import { policyRulesOf } from './policy-rules.ts';

export interface Plan {
  /** Whether there is any policy in the cluster: without one there need be no rules. */
  isEnforced: boolean;
  /** Local pods whose rules are in this plan: any other address of the node's range has to wait. */
  known: ReadonlySet<string>;
  /** Isolated local pods: address → the chain that says what they may have. */
  isolated: Record<Direction, ReadonlyMap<string, string>>;
  /** Name → rules. */
  chains: ReadonlyMap<string, readonly string[]>;
  portSets: ReadonlyMap<string, PortSet>;
  podSets: ReadonlyMap<string, PodSet>;
}

interface KnownPolicy {
  isMeant(pod: PodFacts): boolean;
  chains: Partial<Record<Direction, Chain>>;
}

/** Of this node. */
interface LocalPod extends PodFacts {
  /** undefined: to be worked out. */
  isolation: Isolation[] | undefined;
}

/** What a pod may have in one direction. */
interface Isolation {
  direction: Direction;
  name: string;
  rules: readonly string[];
  /** Chains of the policies, which the rules jump to. */
  allowed: readonly Chain[];
}

const NO_LABELS: Readonly<Record<string, string>> = Object.freeze({});
const DIRECTIONS: readonly Direction[] = ['ingress', 'egress'];

export class PolicyState {
  readonly #view: { family: IpFamily; nodeName: string };
  readonly #pods = new Map<string, PodFacts>();
  readonly #localPods = new Map<string, LocalPod>();
  readonly #namespaces = new Map<string, Readonly<Record<string, string>>>();
  readonly #policies = new Map<string, KnownPolicy>();
  readonly #sets = new Map<string, PodSet>();
  #plan: Plan | undefined;

  constructor(view: { family: IpFamily; nodeName: string }) {
    this.#view = view;
  }

  putPod(key: string, pod: Pod | undefined): void {
    const now = pod && podFactsOf(pod, this.#view);
    if (now) this.#pods.set(key, now);
    else this.#pods.delete(key);
    const labels = this.#labelsOf(now);
    for (const set of this.#sets.values()) set.put(key, now, labels);
    if (now?.isLocal) this.#localPods.set(key, { ...now, isolation: undefined });
    else if (!this.#localPods.delete(key)) return;
    this.#plan = undefined;
  }

  putNamespace(name: string, labels: Readonly<Record<string, string>> | undefined): void {
    if (labels) this.#namespaces.set(name, labels);
    else this.#namespaces.delete(name);
    for (const [key, pod] of this.#pods) {
      if (pod.namespace !== name) continue;
      for (const set of this.#sets.values()) set.put(key, pod, labels ?? NO_LABELS);
    }
  }

  putPolicy(key: string, policy: NetworkPolicy | undefined): void {
    const before = this.#policies.get(key);
    const now = policy && knownPolicy(policy, this.#view.family);
    if (now) this.#policies.set(key, now);
    else this.#policies.delete(key);
    for (const pod of this.#localPods.values())
      if (before?.isMeant(pod) || now?.isMeant(pod)) pod.isolation = undefined;
    this.#plan = undefined;
  }

  plan(): Plan {
    this.#plan ??= this.#newPlan();
    return this.#plan;
  }

  #newPlan(): Plan {
    const known = new Set<string>();
    const isolated = { ingress: new Map<string, string>(), egress: new Map<string, string>() };
    const chains = new Map<string, readonly string[]>();
    const portSets = new Map<string, PortSet>();
    const podSets = new Map<string, PodSet>();
    for (const pod of this.#localPods.values()) {
      known.add(pod.address);
      pod.isolation ??= this.#isolationOf(pod);
      for (const { direction, name, rules, allowed } of pod.isolation) {
        isolated[direction].set(pod.address, name);
        for (const chain of allowed) {
          if (chain.rules.length > 0) chains.set(chain.name, chain.rules);
          for (const set of chain.portSets) portSets.set(set.name, set);
          for (const spec of chain.podSets) podSets.set(spec.name, this.#setOf(spec));
        }
        chains.set(name, rules); // after those that it jumps to
      }
    }
    for (const name of this.#sets.keys()) if (!podSets.has(name)) this.#sets.delete(name);
    return { isEnforced: this.#policies.size > 0, known, isolated, chains, portSets, podSets };
  }

  #isolationOf(pod: PodFacts): Isolation[] {
    const policies = [...this.#policies.values()].filter((policy) => policy.isMeant(pod));
    return DIRECTIONS.flatMap((direction) => {
      const allowed = policies.flatMap(({ chains: { [direction]: chain } }) => chain ?? []);
      return allowed.length > 0 ? [{ direction, allowed, ...isolation(direction, allowed) }] : [];
    });
  }

  #setOf(spec: PodSetSpec): PodSet {
    let set = this.#sets.get(spec.name);
    if (!set) {
      set = new PodSet(spec);
      this.#sets.set(spec.name, set);
      for (const [key, pod] of this.#pods) set.put(key, pod, this.#labelsOf(pod));
    }
    return set;
  }

  #labelsOf(pod: PodFacts | undefined): Readonly<Record<string, string>> {
    return (pod && this.#namespaces.get(pod.namespace)) ?? NO_LABELS;
  }
}

function knownPolicy(policy: NetworkPolicy, family: IpFamily): KnownPolicy {
  const namespace = policy.metadata.namespace ?? '';
  const selector = selectorFrom(policy.spec.podSelector);
  const { ingress, egress } = policyRulesOf(policy);
  return {
    isMeant: (pod) => pod.namespace === namespace && matchesLabels(selector, pod.labels),
    chains: {
      ...(ingress && { ingress: chainOf(ingress, 'ingress', family) }),
      ...(egress && { egress: chainOf(egress, 'egress', family) }),
    },
  };
}
