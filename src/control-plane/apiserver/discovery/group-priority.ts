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
  'apiregistration.k8s.io': { group: 20_000 }, // the aggregator itself always stands first
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

/** The groups among these kinds, the legacy group included, in the order of discovery. */
export function groupsInOrder(kinds: readonly { group: string; version: string }[]): GroupVersions[] {
  const groups = new Map<string, Set<string>>();
  for (const { group, version } of kinds) groups.set(group, (groups.get(group) ?? new Set()).add(version));
  return [...groups]
    .map(([group, versions]) => ({ group, versions: [...versions].sort((a, b) => compareVersionsOf(group, a, b)) }))
    .sort((a, b) => rankOf(b.group) - rankOf(a.group) || (a.group < b.group ? -1 : 1));
}

const rankOf = (group: string): number => (Object.hasOwn(BUILT_IN, group) ? BUILT_IN[group]! : CUSTOM).group;

const compareVersionsOf = (group: string, a: string, b: string): number =>
  apiServicePriority(group, b).version - apiServicePriority(group, a).version || compareVersions(a, b);
