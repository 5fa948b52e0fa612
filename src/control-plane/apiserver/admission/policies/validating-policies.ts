/**
 * ValidatingAdmissionPolicy: refuses, warns of or notes what does not hold what policies ask for. Source: Kubernetes
 * documentation, "Validating Admission Policy"; texts and order as upstream's policy/validating/dispatcher.go.
 */
import { ValidatingAdmissionPolicy } from '#api/admissionregistration/v1/validating-admission-policy.ts';
import { ValidatingAdmissionPolicyBinding } from '#api/admissionregistration/v1/validating-admission-policy-binding.ts';
import { Namespace } from '#api/core/v1/namespace.ts';
import { jsonOf } from '#api/machinery/field-error.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { StatusError, type StatusReason } from '#api/machinery/status.ts';
import { type AdmissionPlugin, type AdmissionRequest, type AdmissionServices, refused } from '../define-admission.ts';
import { authorizerFor, decisionsFor, type Subject, subjectOf } from '../expressions/subject.ts';
import { AnnotationCollector } from './annotation-collector.ts';
import { type BoundPolicy, followedPolicies } from './bound-policy.ts';
import { type CompiledValidation, compileValidation, type Decision, judge } from './compiled-validation.ts';
import { concerned, type Invocation, namespaceObjectOf } from './invocations.ts';
import { errorTypeOf } from './policy-checks.ts';
import { isExempt, kindByRules } from './policy-matching.ts';

type Policy = BoundPolicy<ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding, CompiledValidation>;
type Asked = Invocation<ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding, CompiledValidation>;

export function validatingPolicies(): AdmissionPlugin {
  const source = followedPolicies(
    { policies: ValidatingAdmissionPolicy, bindings: ValidatingAdmissionPolicyBinding },
    compileValidation,
  );
  return {
    name: 'ValidatingAdmissionPolicy',
    reads: [ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding, Namespace],
    handles: ({ kind }) => !isExempt(kind),
    validate(request, services) {
      const policies = source.of(services.informers);
      if (policies && !policies.some(({ criteria }) => kindByRules(criteria, request, services.kinds))) return;
      return policies
        ? validateBy(policies, request, services)
        : source.whenSynced(request, services).then((known) => validateBy(known, request, services));
    },
  };
}

interface Denial {
  policy: string;
  binding: string | undefined;
  message: string;
  reason?: string;
}

/** Throws what the first that denies says, when all were asked. */
async function validateBy(
  policies: readonly Policy[],
  request: AdmissionRequest,
  services: AdmissionServices,
): Promise<void> {
  const { invocations, errors } = await concerned(policies, request, services);
  const denials: Denial[] = errors
    .filter(({ policy }) => policy.spec.failurePolicy !== 'Ignore')
    .map(({ policy, binding, message }) => ({
      policy: policy.metadata.name,
      binding: binding?.metadata.name,
      message,
    }));
  if (invocations.length > 0) denials.push(...(await askAll(invocations, request, services)));
  const [first] = denials;
  if (first) throw denied(request, first);
}

async function askAll(
  invocations: readonly Asked[],
  request: AdmissionRequest,
  services: AdmissionServices,
): Promise<Denial[]> {
  const decisions = decisionsFor(request.user, services.authorizer);
  const authorizer = authorizerFor(decisions, request);
  const namespaceObject = await namespaceObjectOf(request, services);
  const now = () => services.clock.monotonicMs() / 1000;
  const subjects = new Map<Kind, Subject>();
  const annotations = new AnnotationCollector();
  const denials: Denial[] = [];
  for (const invocation of invocations) {
    const { as, compiled, params, policy } = invocation;
    const subject = subjects.get(as) ?? (await subjectOf(request, as));
    subjects.set(as, subject);
    const judgement = await judge(compiled, {
      variables: { ...subject.variables, namespaceObject, ...(policy.spec.paramKind && { params }) },
      authorizer,
      decisions,
      now,
    });
    for (const [index, decision] of judgement.decisions.entries())
      denials.push(...enforced({ invocation, decision, index }, request, services));
    for (const { key, value } of judgement.annotations) annotations.add(policy.metadata.name, key, value);
    for (const failure of judgement.failures) denials.push(denialOf(invocation, failure, services));
  }
  annotations.publish(request);
  return denials;
}

interface Enforced {
  invocation: Asked;
  decision: Decision;
  /** Of the validation. */
  index: number;
}

/** As the binding wants it. */
function enforced(
  { invocation, decision, index }: Enforced,
  request: AdmissionRequest,
  services: AdmissionServices,
): Denial[] {
  const { policy, binding } = invocation;
  if (decision.isAllowed) {
    if (decision.isError) observe(invocation, decision, 'allow', services);
    return [];
  }
  const denials: Denial[] = [];
  for (const action of binding.spec.validationActions) {
    if (action === 'Deny') denials.push(denialOf(invocation, decision, services));
    else if (action === 'Audit') noteFailure({ invocation, decision, index }, request);
    else request.warn?.(warningOf(policy.metadata.name, binding.metadata.name, decision.message));
    if (action !== 'Deny') observe(invocation, decision, action === 'Audit' ? 'audit' : 'warn', services);
  }
  return denials;
}

const warningOf = (policy: string, binding: string, message: string): string =>
  `Validation failed for ValidatingAdmissionPolicy '${policy}' with binding '${binding}': ${message}`;

function denialOf(invocation: Asked, decision: Decision, services: AdmissionServices): Denial {
  observe(invocation, decision, 'deny', services);
  const { message, reason } = decision;
  return {
    policy: invocation.policy.metadata.name,
    binding: invocation.binding.metadata.name,
    message,
    ...(reason && { reason }),
  };
}

function observe(
  { policy, binding }: Asked,
  decision: Decision,
  action: 'allow' | 'audit' | 'deny' | 'warn',
  { policyChecks }: AdmissionServices,
): void {
  const check = {
    policy: policy.metadata.name,
    binding: binding.metadata.name,
    errorType: errorTypeOf(decision),
    action,
  };
  policyChecks?.validating.observe(check, decision.seconds);
}

function noteFailure({ invocation, decision, index }: Enforced, { annotate }: AdmissionRequest): void {
  if (!annotate) return;
  const { policyName, validationActions } = invocation.binding.spec;
  const failure = {
    message: decision.message,
    policy: policyName,
    binding: invocation.binding.metadata.name,
    expressionIndex: index,
    validationActions,
  };
  annotate('validation.policy.admission.k8s.io/validation_failure', jsonOf([failure]));
}

const CODES: Readonly<Record<string, number>> = {
  Forbidden: 403,
  RequestEntityTooLarge: 413,
  Unauthorized: 401,
};

function denied(request: AdmissionRequest, { policy, binding, message, reason = 'Invalid' }: Denial): StatusError {
  const by = binding === undefined ? '' : ` with binding '${binding}'`;
  const text = `ValidatingAdmissionPolicy '${policy}'${by} denied request: ${message}`;
  const plain = refused(request, text);
  return new StatusError(reason as StatusReason, plain.message, {
    code: CODES[reason] ?? 422,
    details: { ...plain.details, causes: [{ message: text }] },
  });
}
