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
import {
  formatLabels,
  isEverything,
  matchesLabels,
  selectorFrom,
  validateLabelSelector,
} from '#api/machinery/label-selector.ts';
import { dns1123Label } from '#api/machinery/names.ts';
import { validateAnnotations, validateLabels } from '#api/machinery/object-meta.ts';
import { defaultPodSpec } from './pod/spec.ts';
import { validatePodSpec } from './pod/spec-rules.ts';
import { warningsOfPod } from './pod/warnings.ts';

export const defaultPodTemplate = (template: Submitted<PodTemplateSpec> = {}): PodTemplateSpec =>
  ({ ...template, metadata: template.metadata ?? {}, spec: defaultPodSpec(template.spec) }) as PodTemplateSpec;

/** Templates without a fault, which being frozen they keep: most updates leave the template as it is. */
const faultless = new WeakSet<PodTemplateSpec>();

export function validatePodTemplate(template: PodTemplateSpec, at: At<PodTemplateSpec>): FieldError[] {
  if (faultless.has(template)) return [];
  const errors = [
    ...validateTemplateMeta(template, at),
    ...validatePodSpec(template.spec, at.spec),
    ...((template.spec.ephemeralContainers ?? []).length > 0
      ? [forbiddenField(at.spec.ephemeralContainers, 'ephemeral containers not allowed in pod template')]
      : []),
  ];
  if (errors.length === 0 && Object.isFrozen(template)) faultless.add(template);
  return errors;
}

/** Upstream leaves `metadata` out of these paths. */
const validateTemplateMeta = ({ metadata }: PodTemplateSpec, at: At<PodTemplateSpec>): FieldError[] => [
  ...validateLabels(metadata?.labels, root(`${at}.labels`)),
  ...validateAnnotations(metadata?.annotations, root(`${at}.annotations`)),
];

/** Of the pods that will be made: they would say the same, where nobody sees it. `path`: of their specification. */
export const warningsOfTemplate = (template: PodTemplateSpec, path = 'spec.template.spec'): string[] =>
  warningsOfPod(template, path.replace(/\.?spec$/, ''));

/** An update that leaves the specification as it is warns of nothing in it again. `current` undefined: a create. */
export const isSpecifiedAs = (
  object: { metadata: { generation?: number } },
  current: { metadata: { generation?: number } } | undefined,
): boolean => current !== undefined && current.metadata.generation === object.metadata.generation;

/** Pods get the name of what makes them, with something behind it, and it is their host name. */
export function warningsOfPodNames({ metadata: { name } }: { metadata: { name: string } }): string[] {
  const complaints = dns1123Label(name);
  const text = 'this is used in Pod names and hostnames, which can result in surprising behavior';
  return complaints.length > 0 ? [`metadata.name: ${text}; a DNS label is recommended: [${complaints.join(' ')}]`] : [];
}

/** The selector by which the owner finds its pods again: it must mean something. `what` is for the message. */
export function validateOwnSelector(
  selector: LabelSelector | undefined,
  at: At<LabelSelector>,
  what: 'deployment' | 'daemonset' | 'statefulset',
): FieldError[] {
  if (!selector) return what === 'daemonset' ? [] : [requiredValue(at)]; // without one no label fits, which is told below
  const errors = validateLabelSelector(selector, at);
  const empty = Object.keys(selector.matchLabels ?? {}).length === 0 && (selector.matchExpressions ?? []).length === 0;
  return empty ? [...errors, invalidValue(at, selector, `empty selector is invalid for ${what}`)] : errors;
}

/** Who keeps pods running by a template, as messages call it. */
export type KeptBy = 'ReplicaSet' | 'DaemonSet' | 'StatefulSet' | 'ReplicationController';

export interface KeptTemplate {
  template: PodTemplateSpec;
  selector: LabelSelector | undefined;
  keptBy: KeptBy;
  /** What was stored before is judged again only as far as its labels and its restart policy go. */
  knownPod?: boolean;
}

/** A template of pods that are always kept running, and that their owner must find again by its selector. */
export function validateKeptTemplate(
  { template, selector, keptBy, knownPod = false }: KeptTemplate,
  at: At<{ template: PodTemplateSpec; selector: LabelSelector }>,
): FieldError[] {
  const { template: here } = at;
  const usable = validateLabelSelector(selector, at.selector).length === 0;
  const pod = knownPod ? validateTemplateMeta(template, here) : validatePodTemplate(template, here);
  const lasting = validateLasting(template, keptBy, here);
  if (usable) return [...validateTemplateLabels(template, selector, here), ...pod, ...lasting];
  if (keptBy === 'DaemonSet') return [...pod, ...lasting];
  const refusal = invalidValue(at.selector, selector, keptBy === 'StatefulSet' ? '' : 'invalid label selector');
  return keptBy === 'StatefulSet' ? [refusal, ...lasting] : [refusal];
}

/** As Go prints a map. */
const sorted = (map: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1)));

function validateTemplateLabels(
  { metadata }: PodTemplateSpec,
  ownSelector: LabelSelector | undefined,
  at: At<PodTemplateSpec>,
): FieldError[] {
  const selector = selectorFrom(ownSelector);
  const found = isEverything(selector) || matchesLabels(selector, metadata?.labels);
  const labels = metadata?.labels ? sorted(metadata.labels) : null;
  return found ? [] : [invalidValue(at.metadata.labels, labels, '`selector` does not match template `labels`')];
}

const validateLasting = ({ spec }: PodTemplateSpec, keptBy: KeptBy, at: At<PodTemplateSpec>): FieldError[] => [
  ...(spec.restartPolicy === 'Always'
    ? []
    : [notSupportedValue(at.spec.restartPolicy, spec.restartPolicy, ['Always'])]),
  ...(spec.activeDeadlineSeconds === undefined
    ? []
    : [forbiddenField(at.spec.activeDeadlineSeconds, `activeDeadlineSeconds in ${keptBy} is not Supported`)]),
];

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
