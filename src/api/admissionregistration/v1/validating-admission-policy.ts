/** ValidatingAdmissionPolicy: what objects must be like, as expressions. Source: API reference, admissionregistration.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import { validateConditions } from '#api/machinery/condition-rules.ts';
import { ageColumn, column, defineKind, KEEP_ALL_METADATA, nameColumn } from '#api/machinery/define-kind.ts';
import { type FieldError, requiredValue } from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { isOneOf } from '#api/machinery/field-rules.ts';
import {
  validateAuditAnnotations,
  validateMatchConditions,
  validateValidations,
  validateVariables,
} from './expression-rules.ts';
import { defaultMatch, validateConstraints } from './match-rules.ts';
import { validateParamKind } from './param-rules.ts';
import { PolicyExpressions } from './policy-expressions.ts';

export type ValidatingAdmissionPolicy = schema.ValidatingAdmissionPolicy;

export const ValidatingAdmissionPolicy = defineKind<schema.ValidatingAdmissionPolicy>({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'ValidatingAdmissionPolicy',
  plural: 'validatingadmissionpolicies',
  anyFinalizer: true,
  scope: 'Cluster',
  categories: ['api-extensions'],
  subresources: ['status'],
  statusKeeps: KEEP_ALL_METADATA,
  generationOf: ({ spec }) => spec,
  defaults: ({ spec = {}, ...policy }) =>
    ({
      ...policy,
      spec: {
        ...spec,
        failurePolicy: spec.failurePolicy ?? 'Fail',
        ...(spec.matchConstraints && { matchConstraints: defaultMatch(spec.matchConstraints) }),
      },
    }) as schema.ValidatingAdmissionPolicy,
  validate: ({ metadata, spec }, { spec: at }) => validateSpec(spec, at, metadata.name),
  validateStatusUpdate: ({ next: { status }, at: { status: at } }) => [
    ...(status?.typeChecking?.expressionWarnings ?? []).flatMap(({ warning, fieldRef }, i) => [
      ...(warning ? [] : [requiredValue(at.typeChecking.expressionWarnings[i]!.warning)]),
      ...(fieldRef?.trim() ? [] : [requiredValue(at.typeChecking.expressionWarnings[i]!.fieldRef)]),
    ]),
    ...validateConditions(status?.conditions, at.conditions),
  ],
  columns: [
    nameColumn(),
    column('Validations', 'integer', ({ spec }) => spec.validations?.length ?? 0),
    column('ParamKind', 'string', ({ spec: { paramKind } }) =>
      paramKind ? `${paramKind.apiVersion}/${paramKind.kind}` : '<unset>',
    ),
    ageColumn(),
  ],
  allowUnconditionalUpdate: false,
});

type Spec = schema.ValidatingAdmissionPolicySpec;

const EMPTY = 'validations or auditAnnotations must contain at least one item';

function validateSpec(spec: Spec, at: At<Spec>, policy: string): FieldError[] {
  const { paramKind, variables = [], validations = [], auditAnnotations = [] } = spec;
  const hasParams = paramKind !== undefined;
  const expressions = new PolicyExpressions({ composes: variables.length > 0, hasParams });
  return [
    ...isOneOf(at.failurePolicy, spec.failurePolicy, ['Fail', 'Ignore']),
    ...(paramKind ? validateParamKind(paramKind, at.paramKind) : []),
    ...validateConstraints(spec.matchConstraints, at.matchConstraints),
    ...validateMatchConditions(spec.matchConditions ?? [], at.matchConditions, { hasParams }),
    ...validateVariables(variables, at.variables, expressions),
    ...(validations.length === 0 && auditAnnotations.length === 0
      ? [requiredValue(at.validations, EMPTY), requiredValue(at.auditAnnotations, EMPTY)]
      : []),
    ...validateValidations(validations, at.validations, expressions),
    ...validateAuditAnnotations(auditAnnotations, at.auditAnnotations, { policy, expressions }),
  ];
}
