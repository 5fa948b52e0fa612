/** ReplicationController: what came before ReplicaSet. Source: API reference, core/v1. */
import { validateReplicaCounts } from '#api/apps/v1/replica-set.ts';
import type * as schema from '#api/generated/schema.ts';
import type { LabelSelector, PodTemplateSpec } from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn, wideColumn } from '#api/machinery/define-kind.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { type FieldError, requiredValue } from '#api/machinery/field-error.ts';
import { type At, root } from '#api/machinery/field-path.ts';
import { isNotNegative } from '#api/machinery/field-rules.ts';
import { formatLabels, formatSelector, selectorOfLabels } from '#api/machinery/label-selector.ts';
import { dns1123Subdomain } from '#api/machinery/names.ts';
import {
  defaultPodTemplate,
  isSpecifiedAs,
  templateColumns,
  validateKeptTemplate,
  warningsOfPodNames,
  warningsOfTemplate,
} from './pod-template.ts';

export type ReplicationController = schema.ReplicationController;

export const ReplicationController = defineKind<schema.ReplicationController>({
  group: '',
  version: 'v1',
  kind: 'ReplicationController',
  plural: 'replicationcontrollers',
  scope: 'Namespaced',
  shortNames: ['rc'],
  categories: ['all'],
  storagePrefix: 'controllers',
  subresources: ['scale', 'status'],
  name: dns1123Subdomain,
  generationOf: ({ spec }) => spec,
  initialStatus: { replicas: 0 },
  defaultPropagation: 'Orphan',
  defaults: (controller) => {
    const template = defaultPodTemplate(controller.spec?.template);
    const labels = (template.metadata?.labels ?? {}) as Record<string, string>;
    const own = controller.spec?.selector ?? {};
    return {
      ...(controller as schema.ReplicationController),
      metadata:
        Object.keys(controller.metadata.labels ?? {}).length > 0
          ? controller.metadata
          : { ...controller.metadata, ...(Object.keys(labels).length > 0 && { labels }) },
      spec: {
        ...controller.spec,
        replicas: controller.spec?.replicas ?? 1,
        selector: (Object.keys(own).length > 0 ? own : labels) as Record<string, string>,
        template,
      },
    };
  },
  validate: ({ spec }, { spec: at }) => [
    ...isNotNegative(at.minReadySeconds, spec.minReadySeconds),
    ...(Object.keys(spec.selector).length > 0 ? [] : [requiredValue(at.selector)]),
    ...isNotNegative(at.replicas, spec.replicas),
    ...validateTemplate(spec, at),
  ],
  warnings: (object, current) => [
    ...(current ? [] : warningsOfPodNames(object)),
    ...(isSpecifiedAs(object, current) ? [] : warningsOfTemplate(object.spec.template)),
  ],
  validateStatusUpdate: ({ next: { status } }) => (status ? validateReplicaCounts(status, root('status')) : []),
  columns: [
    nameColumn(),
    column('Desired', 'integer', ({ spec }) => spec.replicas),
    column('Current', 'integer', ({ status }) => status?.replicas ?? 0),
    column('Ready', 'integer', ({ status }) => status?.readyReplicas ?? 0),
    ageColumn(),
    ...templateColumns<schema.ReplicationController>(({ spec }) => spec.template),
    wideColumn('Selector', 'string', ({ spec }) => formatLabels(spec.selector)),
  ],
  selectableFields: { 'status.replicas': ({ status }) => String(status?.replicas ?? 0) },
  scale: {
    replicas: '.spec.replicas',
    statusReplicas: '.status.replicas',
    selector: ({ spec }) => formatSelector(selectorOfLabels(spec.selector)),
  },
});

/** Upstream asks for a template where there is none: whoever can leave it out is a client of before 2016. */
function validateTemplate(
  spec: schema.ReplicationControllerSpec,
  at: At<schema.ReplicationControllerSpec>,
): FieldError[] {
  const { template, selector } = spec;
  if (isEqual(template, defaultPodTemplate())) return [requiredValue(at.template)];
  const labels = root<{ template: PodTemplateSpec; selector: LabelSelector }>('spec');
  const known = { template, selector: { matchLabels: selector }, keptBy: 'ReplicationController' as const };
  return validateKeptTemplate(known, labels);
}
