/** ResourceClaimTemplate: from which each pod gets a claim of its own. Source: API reference, resource.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, defineKind, nameColumn } from '#api/machinery/define-kind.ts';
import { isImmutable } from '#api/machinery/field-rules.ts';
import { validateTemplateMetadata } from '#api/machinery/template-metadata.ts';
import { defaultClaimSpec, validateClaimSpec } from './claim-rules.ts';

export type ResourceClaimTemplate = schema.ResourceClaimTemplate;

export const ResourceClaimTemplate = defineKind<schema.ResourceClaimTemplate>({
  group: 'resource.k8s.io',
  version: 'v1',
  kind: 'ResourceClaimTemplate',
  plural: 'resourceclaimtemplates',
  scope: 'Namespaced',
  defaults: (template) =>
    ({
      ...template,
      spec: { ...template.spec, spec: defaultClaimSpec(template.spec?.spec) },
    }) as schema.ResourceClaimTemplate,
  validate: ({ spec }, at) => [
    ...validateTemplateMetadata(spec.metadata, at.spec.metadata),
    ...validateClaimSpec(spec.spec, at.spec.spec),
  ],
  updateHasOwnRules: true,
  validateUpdate: ({ next, current, at }) => isImmutable(at.spec, next.spec, current.spec),
  columns: [nameColumn(), ageColumn()],
});
