/** IngressClass: which controller serves an Ingress. Source: API reference, networking.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn } from '#api/machinery/define-kind.ts';
import { type FieldError, forbiddenField, invalidValue, requiredValue } from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { isImmutable, mustBeOneOf } from '#api/machinery/field-rules.ts';

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
    ...(controller.length > MAX_CONTROLLER
      ? [invalidValue(at.controller, controller, `must be no more than ${MAX_CONTROLLER} characters`)]
      : []),
    ...(controller ? validateController(controller, at) : [requiredValue(at.controller)]),
    ...(parameters ? validateParameters(parameters, at.parameters) : []),
  ],
  validateUpdate: ({ next, current, at }) =>
    isImmutable(at.spec.controller, next.spec.controller, current.spec.controller),
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

const validateController = (controller: string, at: At<schema.IngressClassSpec>): FieldError[] =>
  /^[^/]+\/.+$/.test(controller)
    ? []
    : [invalidValue(at.controller, controller, 'must be a domain-prefixed path (such as "acme.io/foo")')];

const validateParameters = (
  parameters: schema.IngressClassParametersReference,
  at: At<schema.IngressClassParametersReference>,
): FieldError[] => [
  ...(parameters.kind ? [] : [requiredValue(at.kind)]),
  ...(parameters.name ? [] : [requiredValue(at.name)]),
  ...mustBeOneOf(at.scope, parameters.scope, ['Cluster', 'Namespace']),
  ...(parameters.scope === 'Namespace' && !parameters.namespace
    ? [requiredValue(at.namespace, "`parameters.scope` is set to 'Namespace'")]
    : []),
  ...(parameters.scope === 'Cluster' && parameters.namespace !== undefined
    ? [forbiddenField(at.namespace, "`parameters.scope` is set to 'Cluster'")]
    : []),
];
