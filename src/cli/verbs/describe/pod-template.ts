/** The template of pods inside a workload, and what pods and templates show alike. */
import type { PodTemplateSpec, Toleration, TopologySpreadConstraint } from '#api/generated/schema.ts';
import { formatLabelSelector } from '#api/machinery/label-selector.ts';
import { describeContainers } from './containers.ts';
import type { Report } from './report.ts';
import { describeVolumes } from './volumes.ts';

export function describePodTemplate(report: Report, { metadata, spec }: PodTemplateSpec): void {
  const indent = '  ';
  report.line(0, 'Pod Template:');
  report.labels('  Labels', metadata?.labels);
  if (Object.keys(metadata?.annotations ?? {}).length > 0) report.annotations('  Annotations', metadata?.annotations);
  report.fieldIf('Service Account', spec?.serviceAccountName, 1);
  if (spec?.initContainers?.length)
    describeContainers(report, 'Init Containers', { containers: spec.initContainers, indent });
  describeContainers(report, 'Containers', { containers: spec?.containers ?? [], indent });
  describeVolumes(report, spec?.volumes, indent);
  describeSpread(report, spec?.topologySpreadConstraints, indent);
  report.fieldIf('Priority Class Name', spec?.priorityClassName, 1);
  report.labels('  Node-Selectors', spec?.nodeSelector);
  report.values('  Tolerations', tolerationTexts(spec?.tolerations));
}

export function describeSpread(
  report: Report,
  constraints: readonly TopologySpreadConstraint[] = [],
  indent = '',
): void {
  if (constraints.length === 0) return;
  const sorted = [...constraints].sort((a, b) => (a.topologyKey < b.topologyKey ? -1 : 1));
  const texts = sorted.map(({ topologyKey, whenUnsatisfiable, maxSkew, labelSelector }) => {
    const of = labelSelector ? ` for selector ${formatLabelSelector(labelSelector)}` : '';
    return `${topologyKey}:${whenUnsatisfiable} when max skew ${maxSkew} is exceeded${of}`;
  });
  report.values('Topology Spread Constraints', texts, indent);
}

export const tolerationTexts = (tolerations: readonly Toleration[] = []): string[] =>
  [...tolerations]
    .sort((a, b) => ((a.key ?? '') < (b.key ?? '') ? -1 : (a.key ?? '') > (b.key ?? '') ? 1 : 0))
    .map(({ key = '', value = '', effect = '', operator, tolerationSeconds }) => {
      const what = `${key}${value && `=${value}`}${effect && `:${effect}`}`;
      const exists = operator === 'Exists' && value === '' ? `${what ? ' ' : ''}op=Exists` : '';
      return `${what}${exists}${tolerationSeconds === undefined ? '' : ` for ${tolerationSeconds}s`}`;
    });
