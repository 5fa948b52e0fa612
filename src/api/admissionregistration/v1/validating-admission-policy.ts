/** ValidatingAdmissionPolicy: what objects must be like, as expressions. Source: API reference, admissionregistration.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, KEEP_ALL_METADATA, nameColumn } from '#api/machinery/define-kind.ts';
import { requiredValue } from '#api/machinery/field-error.ts';
import { isOneOf } from '#api/machinery/field-rules.ts';
import { defaultMatch, validateMatch } from './webhook-rules.ts';

export type ValidatingAdmissionPolicy = schema.ValidatingAdmissionPolicy;

export const ValidatingAdmissionPolicy = defineKind<schema.ValidatingAdmissionPolicy>({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'ValidatingAdmissionPolicy',
  plural: 'validatingadmissionpolicies',
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
  validate: ({ spec }, { spec: at }) => [
    ...isOneOf(at.failurePolicy, spec.failurePolicy, ['Fail', 'Ignore']),
    ...(spec.paramKind
      ? [
          ...(spec.paramKind.apiVersion ? [] : [requiredValue(at.paramKind.apiVersion)]),
          ...(spec.paramKind.kind ? [] : [requiredValue(at.paramKind.kind)]),
        ]
      : []),
    ...(!spec.matchConstraints
      ? [requiredValue(at.matchConstraints)]
      : [
          ...validateMatch(spec.matchConstraints, at.matchConstraints),
          ...(spec.matchConstraints.resourceRules?.length ? [] : [requiredValue(at.matchConstraints.resourceRules)]),
        ]),
    ...(spec.validations?.length || spec.auditAnnotations?.length
      ? []
      : [
          requiredValue(at.validations, 'validations or auditAnnotations must be specified'),
          requiredValue(at.auditAnnotations, 'validations or auditAnnotations must be specified'),
        ]),
    ...(spec.validations ?? []).flatMap(({ expression }, i) =>
      expression?.trim() ? [] : [requiredValue(at.validations[i]!.expression, 'expression is not specified')],
    ),
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
