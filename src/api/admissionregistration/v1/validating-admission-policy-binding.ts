/** ValidatingAdmissionPolicyBinding: where a policy holds, and what happens to what breaks it. Source: API reference, admissionregistration.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn } from '#api/machinery/define-kind.ts';
import { duplicateValue, type FieldError, invalidValue, requiredValue } from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { follows, isOneOf } from '#api/machinery/field-rules.ts';
import { dns1123Subdomain } from '#api/machinery/names.ts';
import { repeatedIn } from '#api/machinery/repeated.ts';
import { defaultMatch, validateMatch } from './match-rules.ts';
import { validateParamRef } from './param-rules.ts';

export type ValidatingAdmissionPolicyBinding = schema.ValidatingAdmissionPolicyBinding;

export const ValidatingAdmissionPolicyBinding = defineKind<schema.ValidatingAdmissionPolicyBinding>({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'ValidatingAdmissionPolicyBinding',
  plural: 'validatingadmissionpolicybindings',
  anyFinalizer: true,
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
    ...actionErrors(spec.validationActions ?? [], at.validationActions),
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

type Action = schema.ValidatingAdmissionPolicyBindingSpec['validationActions'][number];

function actionErrors(actions: readonly Action[], at: At<Action[]>): FieldError[] {
  const repeated = repeatedIn(actions);
  return [
    ...actions.flatMap((action, i) => [
      ...isOneOf(at[i]!, action, ['Audit', 'Deny', 'Warn']),
      ...(repeated.has(i) ? [duplicateValue(at[i]!, action)] : []),
    ]),
    ...(actions.includes('Deny') && actions.includes('Warn')
      ? [
          invalidValue(
            at,
            actions,
            'must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)',
          ),
        ]
      : []),
    ...(actions.length > 0 ? [] : [requiredValue(at, 'at least one validation action is required')]),
  ];
}
