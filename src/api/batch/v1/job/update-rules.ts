/** What an update of a Job may change. Source: API reference, JobSpec; KEP-2926 (suspended Jobs may be scheduled elsewhere). */
import type * as schema from '#api/generated/schema.ts';
import type { Change } from '#api/machinery/define-kind.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { type FieldError, invalidValue } from '#api/machinery/field-error.ts';
import type { At } from '#api/machinery/field-path.ts';
import { isImmutable } from '#api/machinery/field-rules.ts';
import { isTrue } from './conditions.ts';

export function validateJobUpdate({ next, current, at: { spec: at } }: Change<schema.Job>): FieldError[] {
  const fixed = ['completionMode', 'podFailurePolicy', 'backoffLimitPerIndex', 'managedBy', 'successPolicy'] as const;
  return [
    ...validateCompletions(next.spec, current.spec, at),
    ...isImmutable(at.selector, next.spec.selector, current.spec.selector),
    ...validateTemplateUpdate(next, current, at),
    ...fixed.flatMap((field) => isImmutable(at[field], next.spec[field], current.spec[field])),
  ];
}

function validateCompletions(next: schema.JobSpec, current: schema.JobSpec, at: At<schema.JobSpec>): FieldError[] {
  if (next.completionMode !== 'Indexed') return isImmutable(at.completions, next.completions, current.completions);
  const { completions, parallelism } = next;
  if (completions === undefined || completions === current.completions || completions === parallelism) return [];
  return [invalidValue(at.completions, completions, 'can only be modified in tandem with spec.parallelism')];
}

/** While it is suspended and no pod is left, what its pods use and where they may run can still be changed. */
function validateTemplateUpdate(next: schema.Job, current: schema.Job, at: At<schema.JobSpec>): FieldError[] {
  const { template } = next.spec;
  const suspended = current.spec.suspend && isTrue(current, 'Suspended') && !current.status?.active;
  if (!suspended) return isImmutable(at.template, template, current.spec.template);
  const was = withResourcesOf(template.spec, withSchedulingOf(template, current.spec.template).spec);
  return isEqual(template.spec, was) ? [] : [invalidValue('spec.template.spec', template.spec, 'field is immutable')];
}

function withSchedulingOf(next: schema.PodTemplateSpec, current: schema.PodTemplateSpec): schema.PodTemplateSpec {
  const { nodeSelector, tolerations, schedulingGates } = next.spec;
  const { affinity: had, nodeSelector: _, tolerations: __, schedulingGates: ___, ...rest } = current.spec;
  const { nodeAffinity: ____, ...others } = had ?? {};
  const nodeAffinity = next.spec.affinity?.nodeAffinity;
  const affinity = { ...others, ...(nodeAffinity && { nodeAffinity }) };
  const hasAffinity = next.spec.affinity !== undefined || Object.keys(affinity).length > 0;
  return {
    ...current,
    spec: {
      ...rest,
      ...(hasAffinity && { affinity }),
      ...(nodeSelector && { nodeSelector }),
      ...(tolerations && { tolerations }),
      ...(schedulingGates && { schedulingGates }),
    },
  };
}

function withResourcesOf(next: schema.PodSpec, current: schema.PodSpec): schema.PodSpec {
  const resized = (now: schema.Container[], wanted: schema.Container[] = []) =>
    now.length !== wanted.length
      ? now
      : now.map((container, i) => {
          const { resources: _, ...rest } = container;
          const { name, resources } = wanted[i]!;
          return name === container.name ? { ...rest, ...(resources && { resources }) } : container;
        });
  return {
    ...current,
    containers: resized(current.containers, next.containers),
    ...(current.initContainers && { initContainers: resized(current.initContainers, next.initContainers) }),
  };
}
