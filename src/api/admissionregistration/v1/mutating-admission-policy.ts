/** MutatingAdmissionPolicy: how objects are changed on their way in, as expressions. Source: API reference, admissionregistration.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn } from '#api/machinery/define-kind.ts';
import { requiredValue } from '#api/machinery/field-error.ts';
import { isOneOf, mustBeOneOf } from '#api/machinery/field-rules.ts';
import { defaultMatch, validateMatch } from './webhook-rules.ts';

export type MutatingAdmissionPolicy = schema.MutatingAdmissionPolicy;

export const MutatingAdmissionPolicy = defineKind<schema.MutatingAdmissionPolicy>({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'MutatingAdmissionPolicy',
  plural: 'mutatingadmissionpolicies',
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
  validate: ({ spec }, { spec: at }) => [
    ...isOneOf(at.failurePolicy, spec.failurePolicy, ['Fail', 'Ignore']),
    ...(!spec.matchConstraints
      ? [requiredValue(at.matchConstraints)]
      : [
          ...validateMatch(spec.matchConstraints, at.matchConstraints),
          ...(spec.matchConstraints.resourceRules?.length ? [] : [requiredValue(at.matchConstraints.resourceRules)]),
        ]),
    ...(spec.mutations?.length ? [] : [requiredValue(at.mutations, 'mutations must contain at least one item')]),
    ...(spec.mutations ?? []).flatMap(({ patchType }, i) =>
      mustBeOneOf(at.mutations[i]!.patchType, patchType, ['ApplyConfiguration', 'JSONPatch']),
    ),
    ...mustBeOneOf(at.reinvocationPolicy, spec.reinvocationPolicy, ['IfNeeded', 'Never']),
  ],
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
