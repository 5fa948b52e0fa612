/** MutatingAdmissionPolicy: how objects are changed on their way in, as expressions. Source: API reference, admissionregistration.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn } from '#api/machinery/define-kind.ts';
import { type FieldError, requiredValue } from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { isOneOf, mustBeOneOf } from '#api/machinery/field-rules.ts';
import { validateMatchConditions, validateMutations, validateVariables } from './expression-rules.ts';
import { defaultMatch, validateConstraints, validateMutable } from './match-rules.ts';
import { validateParamKind } from './param-rules.ts';
import { PolicyExpressions } from './policy-expressions.ts';

export type MutatingAdmissionPolicy = schema.MutatingAdmissionPolicy;

export const MutatingAdmissionPolicy = defineKind<schema.MutatingAdmissionPolicy>({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'MutatingAdmissionPolicy',
  plural: 'mutatingadmissionpolicies',
  anyFinalizer: true,
  scope: 'Cluster',
  categories: ['api-extensions'],
  generationOf: ({ spec }) => spec,
  defaults: ({ spec = {}, ...policy }) =>
    ({
      ...policy,
      spec: {
        ...spec,
        failurePolicy: spec.failurePolicy ?? 'Fail',
        ...(spec.matchConstraints && { matchConstraints: defaultMatch(spec.matchConstraints) }),
      },
    }) as schema.MutatingAdmissionPolicy,
  validate: ({ spec }, { spec: at }) => validateSpec(spec, at),
  columns: [
    nameColumn(),
    column('Mutations', 'integer', ({ spec }) => spec.mutations?.length ?? 0),
    column('ParamKind', 'string', ({ spec: { paramKind } }) =>
      paramKind ? `${paramKind.apiVersion}/${paramKind.kind}` : '<unset>',
    ),
    ageColumn(),
  ],
  allowUnconditionalUpdate: false,
});

type Spec = schema.MutatingAdmissionPolicySpec;

function validateSpec(spec: Spec, at: At<Spec>): FieldError[] {
  const { paramKind, variables = [], mutations = [] } = spec;
  const hasParams = paramKind !== undefined;
  const expressions = new PolicyExpressions({ composes: true, hasParams });
  return [
    ...isOneOf(at.failurePolicy, spec.failurePolicy, ['Fail', 'Ignore']),
    ...(paramKind ? validateParamKind(paramKind, at.paramKind) : []),
    ...validateConstraints(spec.matchConstraints, at.matchConstraints),
    ...validateMutable(spec.matchConstraints, at.matchConstraints),
    ...validateMatchConditions(spec.matchConditions ?? [], at.matchConditions, { hasParams }),
    ...validateVariables(variables, at.variables, expressions),
    ...(mutations.length > 0 ? [] : [requiredValue(at.mutations, 'mutations must contain at least one item')]),
    ...validateMutations(mutations, at.mutations, expressions),
    ...mustBeOneOf(at.reinvocationPolicy, spec.reinvocationPolicy, ['IfNeeded', 'Never']),
  ];
}
