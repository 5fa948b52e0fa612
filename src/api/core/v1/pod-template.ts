/**
 * The pod that a controller will make: the part that Deployments, Jobs and the like have in common; and PodTemplate, which is
 * such a part that stands by itself. Source: API reference, core/v1.
 */
import type * as schema from '#api/generated/schema.ts';
import type { LabelSelector, PodTemplateSpec, Submitted } from '#api/generated/schema.ts';
import { column, defineKind, nameColumn, wideColumn } from '#api/machinery/define-kind.ts';
import {
  type FieldError,
  forbiddenField,
  invalidValue,
  notSupportedValue,
  requiredValue,
} from '#api/machinery/field-error.ts';
import { type At, root } from '#api/machinery/field-path.ts';
import type { Column } from '#api/machinery/kind.ts';
import { formatLabels, matchesLabels, selectorFrom, validateLabelSelector } from '#api/machinery/label-selector.ts';
import { validateAnnotations, validateLabels } from '#api/machinery/object-meta.ts';
import { defaultPodSpec } from './pod/spec.ts';
import { validatePodSpec } from './pod/spec-rules.ts';
import { warningsOfPodSpec } from './pod/warnings.ts';

export const defaultPodTemplate = (template: Submitted<PodTemplateSpec> = {}): PodTemplateSpec =>
  ({ ...template, metadata: template.metadata ?? {}, spec: defaultPodSpec(template.spec) }) as PodTemplateSpec;

export const validatePodTemplate = (template: PodTemplateSpec, at: At<PodTemplateSpec>): FieldError[] => [
  ...validateTemplateMeta(template, at),
  ...validatePodSpec(template.spec, at.spec),
  ...((template.spec.ephemeralContainers ?? []).length > 0
    ? [forbiddenField(at.spec.ephemeralContainers, 'ephemeral containers not allowed in pod template')]
    : []),
];

const validateTemplateMeta = ({ metadata }: PodTemplateSpec, at: At<PodTemplateSpec>): FieldError[] => [
  ...validateLabels(metadata?.labels, at.metadata.labels),
  ...validateAnnotations(metadata?.annotations, at.metadata.annotations),
];

/** Of the pods that will be made: they would say the same, where nobody sees it. */
export const warningsOfTemplate = ({ spec }: PodTemplateSpec, path = 'spec.template.spec'): string[] =>
  warningsOfPodSpec(spec, root(path));

/** The selector by which the owner finds its pods again: it must be there and mean something. `what` is for the message. */
export function validateOwnSelector(
  selector: LabelSelector | undefined,
  at: At<LabelSelector>,
  what: 'deployment' | 'daemonset' | 'statefulset',
): FieldError[] {
  if (!selector) return [requiredValue(at)];
  const errors = validateLabelSelector(selector, at);
  const empty = Object.keys(selector.matchLabels ?? {}).length === 0 && (selector.matchExpressions ?? []).length === 0;
  return empty ? [...errors, invalidValue(at, selector, `empty selector is invalid for ${what}`)] : errors;
}

/**
 * As `validateKeptTemplate`, less the pod itself: a StatefulSet's pods mount claims that the template does not name, and
 * upstream leaves them to the creation of the pod.
 */
export const validateOrderedTemplate = (
  template: PodTemplateSpec,
  ownSelector: LabelSelector | undefined,
  at: At<PodTemplateSpec>,
): FieldError[] => [
  ...validateTemplateLabels(template, ownSelector, at),
  ...validateTemplateMeta(template, at),
  ...validateAlwaysRestarted(template, at),
];

/** A template of pods that are always kept running, and that their owner must find again by its selector. */
export const validateKeptTemplate = (
  template: PodTemplateSpec,
  ownSelector: LabelSelector | undefined,
  at: At<PodTemplateSpec>,
): FieldError[] => [
  ...validateTemplateLabels(template, ownSelector, at),
  ...validatePodTemplate(template, at),
  ...validateAlwaysRestarted(template, at),
];

function validateTemplateLabels(
  { metadata }: PodTemplateSpec,
  ownSelector: LabelSelector | undefined,
  at: At<PodTemplateSpec>,
): FieldError[] {
  const selector = selectorFrom(ownSelector);
  const labels = metadata?.labels ?? {};
  const found = selector.requirements.length === 0 || matchesLabels(selector, labels);
  return found ? [] : [invalidValue(at.metadata.labels, labels, '`selector` does not match template `labels`')];
}

const validateAlwaysRestarted = (
  { spec: { restartPolicy } }: PodTemplateSpec,
  at: At<PodTemplateSpec>,
): FieldError[] =>
  restartPolicy === 'Always' ? [] : [notSupportedValue(at.spec.restartPolicy, restartPolicy, ['Always'])];

/** `-o wide` shows the names and images of the template's containers. */
export const templateColumns = <T>(templateOf: (object: T) => PodTemplateSpec | undefined): Column<T>[] => [
  wideColumn('Containers', 'string', (object) => containerNames(templateOf(object))),
  wideColumn('Images', 'string', (object) => containerImages(templateOf(object))),
];

export const containerNames = (template: PodTemplateSpec | undefined): string =>
  (template?.spec.containers ?? []).map(({ name }) => name).join(',');

export const containerImages = (template: PodTemplateSpec | undefined): string =>
  (template?.spec.containers ?? []).map(({ image }) => image ?? '').join(',');

export type PodTemplate = schema.PodTemplate;

export const PodTemplate = defineKind<schema.PodTemplate>({
  group: '',
  version: 'v1',
  kind: 'PodTemplate',
  plural: 'podtemplates',
  scope: 'Namespaced',
  generationOf: ({ template }) => template,
  defaults: (object) => ({ ...(object as schema.PodTemplate), template: defaultPodTemplate(object.template) }),
  validate: ({ template }, at) => validatePodTemplate(template, at.template),
  columns: [
    nameColumn(),
    column('Containers', 'string', ({ template }) => containerNames(template)),
    column('Images', 'string', ({ template }) => containerImages(template)),
    column('Pod Labels', 'string', ({ template }) => formatLabels(template.metadata?.labels)),
  ],
});
