/** The pod that a controller will make: the part that Deployments, Jobs and the like have in common. */
import type { PodTemplateSpec, Submitted } from '#api/generated/schema.ts';
import { wideColumn } from '#api/machinery/define-kind.ts';
import { type FieldError, invalidValue, notSupportedValue } from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import type { Column } from '#api/machinery/kind.ts';
import { matchesLabels, type Selector } from '#api/machinery/label-selector.ts';
import { validateAnnotations, validateLabels } from '#api/machinery/object-meta.ts';
import { defaultPodSpec } from './pod/spec.ts';

export const defaultPodTemplate = (template: Submitted<PodTemplateSpec> = {}): PodTemplateSpec =>
  ({ ...template, metadata: template.metadata ?? {}, spec: defaultPodSpec(template.spec) }) as PodTemplateSpec;

export function validatePodTemplate(template: PodTemplateSpec, at: At<PodTemplateSpec>): FieldError[] {
  return [
    ...validateLabels(template.metadata?.labels, at.metadata.labels),
    ...validateAnnotations(template.metadata?.annotations, at.metadata.annotations),
  ];
}

/** A template of pods that are always kept running, and that their owner must find again by its selector. */
export function validateKeptTemplate(
  template: PodTemplateSpec,
  selector: Selector,
  at: At<PodTemplateSpec>,
): FieldError[] {
  const { restartPolicy } = template.spec;
  const found = selector.requirements.length > 0 && matchesLabels(selector, template.metadata?.labels);
  const labels = template.metadata?.labels ?? {};
  return [
    ...(found || selector.requirements.length === 0
      ? []
      : [invalidValue(at.metadata.labels, labels, '`selector` does not match template `labels`')]),
    ...validatePodTemplate(template, at),
    ...(restartPolicy === 'Always' ? [] : [notSupportedValue(at.spec.restartPolicy, restartPolicy, ['Always'])]),
  ];
}

/** `-o wide` shows the names and images of the template's containers. */
export const templateColumns = <T>(templateOf: (object: T) => PodTemplateSpec | undefined): Column<T>[] => [
  wideColumn('Containers', 'string', (object) => containerNames(templateOf(object))),
  wideColumn('Images', 'string', (object) => containerImages(templateOf(object))),
];

export const containerNames = (template: PodTemplateSpec | undefined): string =>
  (template?.spec.containers ?? []).map(({ name }) => name).join(',');

export const containerImages = (template: PodTemplateSpec | undefined): string =>
  (template?.spec.containers ?? []).map(({ image }) => image ?? '').join(',');
