/** The policies that have bindings, ready to be asked. Only those do anything. */
import type { MatchResources, ParamKind, ParamRef } from '#api/generated/schema.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { everything, type Selector, selectorFrom } from '#api/machinery/label-selector.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import type { Informers } from '#client/informer.ts';
import { Followed } from '../followed.ts';

export interface PolicyObject extends KubeObject {
  spec: {
    paramKind?: ParamKind;
    matchConstraints?: MatchResources;
    failurePolicy: 'Fail' | 'Ignore';
  };
}

export interface BindingObject extends KubeObject {
  spec: { policyName?: string; paramRef?: ParamRef; matchResources?: MatchResources };
}

/** What a request must be like. */
export interface Criteria {
  match: MatchResources;
  namespaceSelector: Selector;
  objectSelector: Selector;
}

export interface BoundPolicy<P extends PolicyObject, B extends BindingObject, Compiled> {
  policy: P;
  criteria: Criteria;
  /** By name. */
  bindings: readonly { binding: B; criteria: Criteria }[];
  /** Made when a request first needs it, and kept until the policy changes. */
  compiled(): Compiled;
}

export interface PolicyKinds<P extends PolicyObject, B extends BindingObject> {
  policies: Kind<P>;
  bindings: Kind<B>;
}

/** By name of the policy. `compile` is asked once for each state of a policy. */
export function followedPolicies<P extends PolicyObject, B extends BindingObject, Compiled>(
  { policies, bindings }: PolicyKinds<P, B>,
  compile: (policy: P) => Compiled,
): Followed<readonly BoundPolicy<P, B, Compiled>[]> {
  const compiled = new WeakMap<P, Compiled>();
  const compiledOf = (policy: P): Compiled => {
    const known = compiled.get(policy);
    if (known !== undefined) return known;
    const made = compile(policy);
    compiled.set(policy, made);
    return made;
  };
  const make = (informers: Informers) => {
    const byPolicy = new Map<string, B[]>();
    for (const binding of informers.for(bindings).list().sort(byName)) {
      const { policyName = '' } = binding.spec;
      byPolicy.set(policyName, [...(byPolicy.get(policyName) ?? []), binding]);
    }
    return informers
      .for(policies)
      .list()
      .filter(({ metadata }) => byPolicy.has(metadata.name))
      .sort(byName)
      .map((policy) => ({
        policy,
        criteria: criteriaOf(policy.spec.matchConstraints),
        bindings: byPolicy
          .get(policy.metadata.name)!
          .map((binding) => ({ binding, criteria: criteriaOf(binding.spec.matchResources) })),
        compiled: () => compiledOf(policy),
      }));
  };
  return new Followed([policies as unknown as Kind, bindings as unknown as Kind], make);
}

const byName = (a: KubeObject, b: KubeObject): number => (a.metadata.name < b.metadata.name ? -1 : 1);

const ANY: Criteria = { match: {} as MatchResources, namespaceSelector: everything, objectSelector: everything };

const criteriaOf = (match: MatchResources | undefined): Criteria =>
  match
    ? {
        match,
        namespaceSelector: selectorFrom(match.namespaceSelector),
        objectSelector: selectorFrom(match.objectSelector),
      }
    : ANY;
