/**
 * In which order groups, and versions within a group, are shown: what `kubectl api-resources` prints and which group wins
 * where a name is in several. Source: kubernetes v1.36, the priorities of the APIServices that the server registers itself.
 */

import { compareVersions } from '#api/machinery/version-order.ts';

interface Priority {
  group: number;
  /** By version; others of the group go by their kind of version. */
  versions?: Readonly<Record<string, number>>;
}

const BUILT_IN: Readonly<Record<string, Priority>> = {
  'apiregistration.k8s.io': { group: 20_001 }, // always first: others have 20,000 at most
  '': { group: 18_000, versions: { v1: 1 } },
  apps: { group: 17_800 },
  'events.k8s.io': { group: 17_750 },
  'authentication.k8s.io': { group: 17_700 },
  'authorization.k8s.io': { group: 17_600 },
  autoscaling: { group: 17_500, versions: { v2: 30, v1: 15 } },
  batch: { group: 17_400 },
  'certificates.k8s.io': { group: 17_300 },
  'networking.k8s.io': { group: 17_200 },
  policy: { group: 17_100 },
  'rbac.authorization.k8s.io': { group: 17_000 },
  'storage.k8s.io': { group: 16_800 },
  'admissionregistration.k8s.io': { group: 16_700 },
  'apiextensions.k8s.io': { group: 16_700 },
  'scheduling.k8s.io': { group: 16_600 },
  'coordination.k8s.io': { group: 16_500 },
  'node.k8s.io': { group: 16_300 },
  'discovery.k8s.io': { group: 16_200 },
  'resource.k8s.io': { group: 16_200 },
  'flowcontrol.apiserver.k8s.io': { group: 16_100, versions: { v1: 21 } },
};

/** What a CustomResourceDefinition's APIService gets. */
const CUSTOM: Priority = { group: 1000 };

export interface GroupVersions {
  group: string;
  /** The preferred one first. Not empty. */
  versions: string[];
}

/** groupPriorityMinimum and versionPriority as the group's APIService shows them. */
export function apiServicePriority(group: string, version: string): { group: number; version: number } {
  const known = Object.hasOwn(BUILT_IN, group) ? BUILT_IN[group] : undefined;
  const { group: ofGroup, versions } = known ?? CUSTOM;
  return {
    group: group === 'apiregistration.k8s.io' ? 18_000 : ofGroup,
    version: versions?.[version] ?? (known ? 15 : 100),
  };
}

interface Placed {
  group: string;
  version: string;
  /** What an APIService of another server asks for; by default what this server's own have. */
  groupPriority?: number;
  versionPriority?: number;
}

/** The groups among these, the legacy group included, in the order of discovery. */
export function groupsInOrder(all: readonly Placed[]): GroupVersions[] {
  const groups = new Map<string, { rank: number; versions: Map<string, number> }>();
  for (const { group, version, groupPriority = rankOf(group), versionPriority } of all) {
    const known = groups.get(group) ?? { rank: 0, versions: new Map<string, number>() };
    groups.set(group, known);
    known.rank = Math.max(known.rank, groupPriority);
    known.versions.set(version, versionPriority ?? apiServicePriority(group, version).version);
  }
  return [...groups]
    .sort(([a, { rank: rankA }], [b, { rank: rankB }]) => rankB - rankA || (a < b ? -1 : 1))
    .map(([group, { versions }]) => ({
      group,
      versions: [...versions]
        .sort(([a, priorityA], [b, priorityB]) => priorityB - priorityA || compareVersions(a, b))
        .map(([version]) => version),
    }));
}

const rankOf = (group: string): number => (Object.hasOwn(BUILT_IN, group) ? BUILT_IN[group]! : CUSTOM).group;
