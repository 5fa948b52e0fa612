/** MutatingAdmissionPolicyBinding: where a policy is applied. Source: API reference, admissionregistration.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn } from '#api/machinery/define-kind.ts';
import { requiredValue } from '#api/machinery/field-error.ts';
import { follows } from '#api/machinery/field-rules.ts';
import { dns1123Subdomain } from '#api/machinery/names.ts';
import { defaultMatch, validateMatch, validateMutable } from './match-rules.ts';
import { validateParamRef } from './param-rules.ts';

export type MutatingAdmissionPolicyBinding = schema.MutatingAdmissionPolicyBinding;

export const MutatingAdmissionPolicyBinding = defineKind<schema.MutatingAdmissionPolicyBinding>({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'MutatingAdmissionPolicyBinding',
  plural: 'mutatingadmissionpolicybindings',
  anyFinalizer: true,
  scope: 'Cluster',
  categories: ['api-extensions'],
  generationOf: ({ spec }) => spec,
  defaults: ({ spec = {}, ...binding }) =>
    ({
      ...binding,
      spec: { ...spec, ...(spec.matchResources && { matchResources: defaultMatch(spec.matchResources) }) },
    }) as schema.MutatingAdmissionPolicyBinding,
  validate: ({ spec }, { spec: at }) => [
    ...(spec.policyName ? follows(at.policyName, spec.policyName, dns1123Subdomain) : [requiredValue(at.policyName)]),
    ...(spec.paramRef ? validateParamRef(spec.paramRef, at.paramRef) : []),
    ...(spec.matchResources ? validateMatch(spec.matchResources, at.matchResources) : []),
    ...validateMutable(spec.matchResources, at.matchResources),
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
