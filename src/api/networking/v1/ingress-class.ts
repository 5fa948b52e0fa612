/** IngressClass: which controller serves an Ingress. Source: API reference, networking.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn } from '#api/machinery/define-kind.ts';
import {
  type FieldError,
  forbiddenField,
  notSupportedValue,
  requiredValue,
  tooLong,
} from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { follows, isDomainPrefixedPath, isImmutable } from '#api/machinery/field-rules.ts';
import { dns1123Label } from '#api/machinery/names.ts';
import { validateReference } from './ingress.ts';

export type IngressClass = schema.IngressClass;

const MAX_CONTROLLER = 250;

export const IngressClass = defineKind<schema.IngressClass>({
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'IngressClass',
  plural: 'ingressclasses',
  scope: 'Cluster',
  generationOf: ({ spec }) => spec,
  defaults: ({ spec = {}, ...ingressClass }) =>
    ({
      ...ingressClass,
      spec: {
        ...spec,
        ...(spec.parameters && { parameters: { ...spec.parameters, scope: spec.parameters.scope ?? 'Cluster' } }),
      },
    }) as schema.IngressClass,
  validate: ({ spec: { controller = '', parameters } }, { spec: at }) => [
    ...(controller.length > MAX_CONTROLLER ? [tooLong(at.controller, MAX_CONTROLLER)] : []),
    ...isDomainPrefixedPath(at.controller, controller),
    ...(parameters ? validateParameters(parameters, at.parameters) : []),
  ],
  validateUpdate: ({ next, current, at }) =>
    isImmutable(at.spec.controller, next.spec.controller ?? '', current.spec.controller),
  columns: [
    nameColumn(),
    column('Controller', 'string', ({ spec }) => spec.controller ?? ''),
    column('Parameters', 'string', ({ spec: { parameters } }) => {
      if (!parameters) return '<none>';
      const kind = parameters.apiGroup ? `${parameters.kind}.${parameters.apiGroup}` : parameters.kind;
      return `${kind}/${parameters.name}`;
    }),
    ageColumn(),
  ],
});

function validateParameters(
  parameters: schema.IngressClassParametersReference,
  at: At<schema.IngressClassParametersReference>,
): FieldError[] {
  const { scope, namespace } = parameters;
  const errors = validateReference(parameters, at);
  if (scope === undefined) return [...errors, requiredValue(at.scope)];
  if (scope !== 'Cluster' && scope !== 'Namespace')
    errors.push(notSupportedValue(at.scope, scope, ['Cluster', 'Namespace']));
  if (scope === 'Namespace' && namespace === undefined)
    errors.push(requiredValue(at.namespace, "`parameters.scope` is set to 'Namespace'"));
  if (scope === 'Namespace' && namespace !== undefined) errors.push(...follows(at.namespace, namespace, dns1123Label));
  if (scope === 'Cluster' && namespace !== undefined)
    errors.push(forbiddenField(at.namespace, "`parameters.scope` is set to 'Cluster'"));
  return errors;
}
