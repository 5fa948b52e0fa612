/** The two templates that the pods of a StatefulSet may have while it is updated, and which pod is to have which. */
import type { ControllerRevision, PodTemplateSpec, StatefulSet } from '#api/generated/schema.ts';
import type { History } from '../controller-revisions.ts';
import { firstOrdinal, type Version } from './identity.ts';

export interface Versions {
  /** What all pods had before the update. */
  current: Version;
  update: Version;
}

export function versionsOf({ spec, status }: StatefulSet, { current: newest, all }: History): Versions {
  const before = all.find(({ metadata }) => metadata.name === status?.currentRevision) ?? newest;
  return {
    current: { revision: before.metadata.name, template: templateIn(before) ?? spec.template },
    update: { revision: newest.metadata.name, template: spec.template },
  };
}

function templateIn({ data }: ControllerRevision): PodTemplateSpec | undefined {
  const { spec } = (data ?? {}) as { spec?: { template?: PodTemplateSpec & { $patch?: string } } };
  if (!spec?.template) return undefined;
  const { $patch: _, ...template } = spec.template;
  return template;
}

/** The version in which a pod is made. Those below the partition, or not yet come to, stay what they were. */
export function versionFor(set: StatefulSet, ordinal: number, { current, update }: Versions): Version {
  const { type, rollingUpdate } = set.spec.updateStrategy;
  if (type !== 'RollingUpdate') return update;
  const bound = rollingUpdate ? (rollingUpdate.partition ?? 0) : (set.status?.currentReplicas ?? 0);
  return ordinal < firstOrdinal(set) + bound ? current : update;
}
