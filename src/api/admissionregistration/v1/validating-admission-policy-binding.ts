/** ValidatingAdmissionPolicyBinding: where a policy holds, and what happens to what breaks it. Source: API reference, admissionregistration.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn } from '#api/machinery/define-kind.ts';
import { duplicateValue, requiredValue } from '#api/machinery/field-error.ts';
import { follows, isOneOf } from '#api/machinery/field-rules.ts';
import { dns1123Subdomain } from '#api/machinery/names.ts';
import { defaultMatch, validateMatch, validateParamRef } from './webhook-rules.ts';

export type ValidatingAdmissionPolicyBinding = schema.ValidatingAdmissionPolicyBinding;

export const ValidatingAdmissionPolicyBinding = defineKind<schema.ValidatingAdmissionPolicyBinding>({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'ValidatingAdmissionPolicyBinding',
  plural: 'validatingadmissionpolicybindings',
  scope: 'Cluster',
  categories: ['api-extensions'],
  generationOf: ({ spec }) => spec,
  defaults: ({ spec = {}, ...binding }) =>
    ({
      ...binding,
      spec: { ...spec, ...(spec.matchResources && { matchResources: defaultMatch(spec.matchResources) }) },
    }) as schema.ValidatingAdmissionPolicyBinding,
  validate: ({ spec }, { spec: at }) => [
    ...(spec.policyName ? follows(at.policyName, spec.policyName, dns1123Subdomain) : [requiredValue(at.policyName)]),
    ...(spec.paramRef ? validateParamRef(spec.paramRef, at.paramRef) : []),
    ...(spec.matchResources ? validateMatch(spec.matchResources, at.matchResources) : []),
    ...(spec.validationActions?.length
      ? spec.validationActions.flatMap((action, i) => [
          ...isOneOf(at.validationActions[i]!, action, ['Audit', 'Deny', 'Warn']),
          ...(spec.validationActions.indexOf(action) < i ? [duplicateValue(at.validationActions[i]!, action)] : []),
        ])
      : [requiredValue(at.validationActions, 'at least one validation action is required')]),
  ],
  columns: [
    nameColumn(),
    column('PolicyName', 'string', ({ spec }) => spec.policyName ?? ''),
    column('ParamRef', 'string', ({ spec: { paramRef } }) => {
      if (!paramRef) return '<unset>';
      const name = paramRef.name || '*';
      return paramRef.namespace ? `${paramRef.namespace}/${name}` : name;
    }),
    ageColumn(),
  ],
  allowUnconditionalUpdate: false,
});
