/** Which policies a request concerns, through which bindings, with which parameters. */

import type { Kind } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { StatusError } from '#api/machinery/status.ts';
import type { AdmissionRequest, AdmissionServices } from '../define-admission.ts';
import { namespaceVariable } from '../expressions/subject.ts';
import { isNamespace, namespaceNamed } from '../request-matching.ts';
import type { BindingObject, BoundPolicy, Criteria, PolicyObject } from './bound-policy.ts';
import { collectParams, paramKindOf } from './params.ts';
import { kindByRules, matchesSelectors } from './policy-matching.ts';

/** One evaluation of a policy. */
export interface Invocation<P extends PolicyObject, B extends BindingObject, Compiled> {
  policy: P;
  binding: B;
  compiled: Compiled;
  /** The kind to show the objects as. */
  as: Kind;
  /** null: without. */
  params: KubeObject | null;
}

/** A policy, or one of its bindings, that cannot be evaluated as it stands. */
export interface ConfigurationError<P extends PolicyObject, B extends BindingObject> {
  policy: P;
  binding: B | undefined;
  message: string;
}

export interface Concerned<P extends PolicyObject, B extends BindingObject, Compiled> {
  invocations: Invocation<P, B, Compiled>[];
  errors: ConfigurationError<P, B>[];
}

/** In the order of the policies and of their bindings. */
export async function concerned<P extends PolicyObject, B extends BindingObject, Compiled>(
  policies: readonly BoundPolicy<P, B, Compiled>[],
  request: AdmissionRequest,
  services: AdmissionServices,
): Promise<Concerned<P, B, Compiled>> {
  const found: Concerned<P, B, Compiled> = { invocations: [], errors: [] };
  for (const bound of policies) {
    const { policy, criteria, bindings } = bound;
    const matched = kindByRules(criteria, request, services.kinds);
    if (!matched) continue;
    const fail = (binding: B | undefined, problem: string) =>
      found.errors.push({
        policy,
        binding,
        message: `failed to configure ${binding ? 'binding' : 'policy'}: ${problem}`,
      });
    const selected = await isSelected(criteria, request, services);
    if (selected === false) continue;
    const paramKind = paramKindOf(policy.spec.paramKind, services.kinds);
    if (typeof selected === 'object') fail(undefined, selected.problem);
    else if (paramKind && 'problem' in paramKind) fail(undefined, paramKind.problem);
    else
      for (const { binding, criteria: own } of bindings) {
        if (!kindByRules(own, request, services.kinds)) continue;
        const chosen = await isSelected(own, request, services);
        if (chosen === false) continue;
        const params =
          chosen === true
            ? await collectParams({ kind: paramKind, ref: binding.spec.paramRef }, request, services)
            : chosen;
        if ('problem' in params) fail(binding, params.problem);
        else
          for (const one of params)
            found.invocations.push({ policy, binding, compiled: bound.compiled(), as: matched, params: one });
      }
  }
  return found;
}

async function isSelected(
  criteria: Criteria,
  request: AdmissionRequest,
  services: AdmissionServices,
): Promise<boolean | { problem: string }> {
  try {
    return await matchesSelectors(criteria, request, services);
  } catch (error) {
    if (error instanceof StatusError) return { problem: error.message };
    throw error;
  }
}

/** The variable namespaceObject: null for objects of the cluster. Throws NotFound. */
export async function namespaceObjectOf(
  request: AdmissionRequest,
  services: AdmissionServices,
): Promise<object | null> {
  if (!request.namespace || isNamespace(request)) return null;
  return namespaceVariable(await namespaceNamed(request.namespace, services));
}
