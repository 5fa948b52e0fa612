/** PriorityClass: a name for how much a pod matters. Source: API reference, scheduling.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn } from '#api/machinery/define-kind.ts';
import { forbiddenField } from '#api/machinery/field-error.ts';
import { isImmutable, mustBeOneOf } from '#api/machinery/field-rules.ts';

export type PriorityClass = schema.PriorityClass;

/** Above this only classes of the system. */
export const HIGHEST_USER_PRIORITY = 1_000_000_000;
const SYSTEM_PREFIX = 'system-';
/** The classes that every cluster has, by their value. */
export const SYSTEM_PRIORITY_CLASSES: Readonly<Record<string, number>> = {
  'system-cluster-critical': 2_000_000_000,
  'system-node-critical': 2_000_001_000,
};

export const PriorityClass = defineKind<schema.PriorityClass>({
  group: 'scheduling.k8s.io',
  version: 'v1',
  kind: 'PriorityClass',
  plural: 'priorityclasses',
  scope: 'Cluster',
  shortNames: ['pc'],
  generationOf: () => undefined,
  defaults: (priorityClass) => ({
    ...(priorityClass as schema.PriorityClass),
    value: priorityClass.value ?? 0,
    preemptionPolicy: priorityClass.preemptionPolicy ?? 'PreemptLowerPriority',
  }),
  validate({ metadata, value = 0, preemptionPolicy, globalDefault }, at) {
    const policy = mustBeOneOf(at.preemptionPolicy, preemptionPolicy, ['PreemptLowerPriority', 'Never']);
    if (metadata.name?.startsWith(SYSTEM_PREFIX)) {
      const known = SYSTEM_PRIORITY_CLASSES[metadata.name] === value && !globalDefault;
      const text = `priority class names with '${SYSTEM_PREFIX}' prefix are reserved for system use only. error: ${metadata.name} is not a known system priority class`;
      return [...(known ? [] : [forbiddenField(at.metadata.name, text)]), ...policy];
    }
    const text = `maximum allowed value of a user defined priority is ${HIGHEST_USER_PRIORITY}`;
    return [...(value > HIGHEST_USER_PRIORITY ? [forbiddenField(at.value, text)] : []), ...policy];
  },
  validateUpdate: ({ next, current, at }) => [
    ...(next.value === current.value ? [] : [forbiddenField(at.value, 'may not be changed in an update.')]),
    ...isImmutable(at.preemptionPolicy, next.preemptionPolicy, current.preemptionPolicy),
  ],
  columns: [
    nameColumn(),
    column('Value', 'integer', ({ value }) => value ?? 0),
    column('Global-Default', 'boolean', ({ globalDefault }) => globalDefault ?? false),
    ageColumn(),
    column('PreemptionPolicy', 'string', ({ preemptionPolicy }) => preemptionPolicy),
  ],
});
