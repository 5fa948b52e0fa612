/**
 * MutatingAdmissionPolicy: changes objects as policies say, before webhooks see them. Source: Kubernetes documentation,
 * "Mutating Admission Policy"; texts and order as upstream's policy/mutating/dispatcher.go.
 */
import { MutatingAdmissionPolicy } from '#api/admissionregistration/v1/mutating-admission-policy.ts';
import { MutatingAdmissionPolicyBinding } from '#api/admissionregistration/v1/mutating-admission-policy-binding.ts';
import { Namespace } from '#api/core/v1/namespace.ts';
import type { Decisions } from '#api/machinery/cel/authorizer.ts';
import { RUNTIME_COST_BUDGET, RUNTIME_COST_BUDGET_MATCH_CONDITIONS } from '#api/machinery/cel/limits.ts';
import type { Activation } from '#api/machinery/cel/program.ts';
import { isEqual } from '#api/machinery/equal.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { StatusError, type StatusReason } from '#api/machinery/status.ts';
import {
  type AdmissionPlugin,
  type AdmissionRequest,
  type AdmissionServices,
  type Reinvocation,
  refused,
} from '../define-admission.ts';
import { Evaluation, OutOfBudget } from '../expressions/evaluation.ts';
import { matchConditions } from '../expressions/match-conditions.ts';
import { authorizerFor, decisionsFor, subjectOf } from '../expressions/subject.ts';
import { ReinvocationMemory } from '../reinvocation-memory.ts';
import { shapedObject } from '../webhooks/patched-object.ts';
import { unshown } from '../webhooks/shown-object.ts';
import { type BoundPolicy, followedPolicies } from './bound-policy.ts';
import { type CompiledMutation, compileMutation, mutated } from './compiled-mutation.ts';
import { concerned, type Invocation, namespaceObjectOf } from './invocations.ts';
import { errorTypeOf } from './policy-checks.ts';
import { isExempt, kindByRules } from './policy-matching.ts';

type Policy = BoundPolicy<MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding, CompiledMutation>;
type Asked = Invocation<MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding, CompiledMutation>;

const NAME = 'MutatingAdmissionPolicy';

export function mutatingPolicies(): AdmissionPlugin {
  const source = followedPolicies(
    { policies: MutatingAdmissionPolicy, bindings: MutatingAdmissionPolicyBinding },
    compileMutation,
  );
  return {
    name: NAME,
    reads: [MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding, Namespace],
    handles: ({ kind, verb }) => verb !== 'delete' && !isExempt(kind),
    mutate(request, services, reinvocation) {
      const policies = source.of(services.informers);
      if (policies && !policies.some(({ criteria }) => kindByRules(criteria, request, services.kinds)))
        return request.object!;
      const round = { services, reinvocation };
      return policies
        ? mutateBy(policies, request, round)
        : source.whenSynced(request, services).then((known) => mutateBy(known, request, round));
    },
  };
}

interface Round {
  services: AdmissionServices;
  reinvocation: Reinvocation;
}

/** Why a policy refuses the request. */
interface Problem {
  policy: string;
  binding: string | undefined;
  message: string;
  reason?: StatusReason;
}

async function mutateBy(policies: readonly Policy[], request: AdmissionRequest, round: Round): Promise<KubeObject> {
  const { invocations, errors } = await concerned(policies, request, round.services);
  const problems: Problem[] = errors
    .filter(({ policy }) => policy.spec.failurePolicy !== 'Ignore')
    .map(({ policy, binding, message }) => ({
      policy: policy.metadata.name,
      binding: binding?.metadata.name,
      message,
    }));
  const object =
    invocations.length > 0 ? await new Mutating(request, round, problems).run(invocations) : request.object!;
  if (problems.length > 0) throw denied(request, problems);
  return object;
}

class Mutating {
  readonly #round: Round;
  readonly #problems: Problem[];
  readonly #decisions: Decisions;
  #request: AdmissionRequest;
  #namespaceObject: object | null = null;

  constructor(request: AdmissionRequest, round: Round, problems: Problem[]) {
    this.#request = request;
    this.#round = round;
    this.#problems = problems;
    this.#decisions = decisionsFor(request.user, round.services.authorizer);
  }

  /** The object as all leave it; what went wrong is among the problems. */
  async run(invocations: readonly Asked[]): Promise<KubeObject> {
    const { services, reinvocation } = this.#round;
    const memory = ReinvocationMemory.of(NAME, reinvocation, this.#request.object);
    this.#namespaceObject = await namespaceObjectOf(this.#request, services);
    let hasRun = false;
    for (const invocation of invocations) {
      const id = idOf(invocation);
      if (reinvocation.isAgain && !memory.isDue(id)) continue;
      if (!(await this.#matches(invocation))) continue;
      const before = this.#request.object;
      for (const mutation of invocation.compiled.mutations) {
        await this.#mutate(invocation, mutation);
        hasRun = true;
      }
      if (!isEqual(before, this.#request.object)) memory.changed();
      if (invocation.policy.spec.reinvocationPolicy === 'IfNeeded') memory.ran(id);
    }
    // Upstream takes an object that was patched for one that changed.
    if (hasRun) {
      memory.changed();
      reinvocation.isWanted = true;
    }
    memory.left(this.#request.object);
    return this.#request.object!;
  }

  async #matches(invocation: Asked): Promise<boolean> {
    const { conditions } = invocation.compiled;
    if (conditions.length === 0) return true;
    const { variables } = await subjectOf(this.#request, invocation.as);
    const evaluation = this.#evaluation(invocation, variables, RUNTIME_COST_BUDGET_MATCH_CONDITIONS);
    const outcome = await matchConditions(conditions, evaluation);
    if ('matches' in outcome) return outcome.matches;
    if (invocation.policy.spec.failurePolicy !== 'Ignore') this.#fail(invocation, outcome.error);
    return false;
  }

  async #mutate(invocation: Asked, { patchType, compiled }: CompiledMutation['mutations'][number]): Promise<void> {
    const { clock, policyChecks } = this.#round.services;
    const began = clock.monotonicMs();
    const problem = await this.#problemOf(invocation, { patchType, compiled });
    const { policy, binding } = invocation;
    const check = {
      policy: policy.metadata.name,
      binding: binding.metadata.name,
      errorType: errorTypeOf({ isError: problem !== undefined, message: problem ?? '' }),
    };
    policyChecks?.mutating.observe(check, (clock.monotonicMs() - began) / 1000);
    if (problem !== undefined && policy.spec.failurePolicy !== 'Ignore') this.#fail(invocation, problem);
  }

  /** Changes the request's object, or says why it cannot be done. */
  async #problemOf(
    invocation: Asked,
    { patchType, compiled }: CompiledMutation['mutations'][number],
  ): Promise<string | undefined> {
    const { as } = invocation;
    if (compiled.problem !== undefined) return compiled.problem;
    const { shown, variables } = await subjectOf(this.#request, as);
    if (!shown) return undefined;
    const seen = { ...variables, namespaceObject: this.#namespaceObject };
    try {
      const { value, error } = await this.#evaluation(invocation, seen, RUNTIME_COST_BUDGET).evaluate(compiled);
      if (value === undefined) return error;
      const { object, problem } = mutated(patchType, value, { shown, as });
      if (problem !== undefined) return problem;
      const made = shapedObject(object, {
        shown,
        as,
        request: this.#request,
        isStrict: patchType === 'JSONPatch',
      });
      if (!isEqual(made, shown)) this.#request = { ...this.#request, object: await unshown(made, this.#request, as) };
      return undefined;
    } catch (error) {
      if (error instanceof OutOfBudget) return error.message;
      throw error;
    }
  }

  #evaluation({ compiled, params, policy }: Asked, variables: Activation, budget: number): Evaluation {
    return new Evaluation({
      variables: {
        ...variables,
        ...authorizerFor(this.#decisions, this.#request),
        ...(policy.spec.paramKind && { params }),
      },
      composed: compiled.variables,
      decisions: this.#decisions,
      budget,
    });
  }

  #fail({ policy, binding }: Asked, message: string): void {
    this.#problems.push({
      policy: policy.metadata.name,
      binding: binding.metadata.name,
      message,
      reason: 'Invalid',
    });
  }
}

const idOf = ({ policy, binding, params }: Asked): string =>
  [policy.metadata.name, binding.metadata.name, params?.metadata.namespace ?? '', params?.metadata.name ?? ''].join(
    '/',
  );

/** Its text does not begin as those of other refusals do, and it is 403 whatever its reason says. */
function denied(request: AdmissionRequest, problems: readonly Problem[]): StatusError {
  const messages = problems.map(({ policy, binding, message }) =>
    binding === undefined
      ? `policy ${JSON.stringify(policy)} denied request: ${message}`
      : `policy '${policy}' with binding '${binding}' denied request: ${message}`,
  );
  const { details } = refused(request, messages[0]!);
  return new StatusError(problems[0]!.reason ?? 'Forbidden', messages[0]!, {
    code: 403,
    details: { ...details, causes: messages.map((message) => ({ message })) },
  });
}
