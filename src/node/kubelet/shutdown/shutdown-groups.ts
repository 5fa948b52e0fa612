/** Which pods end together when the node goes, and how long they have for it. Pure. Source: KEP-2000, KEP-2712. */
import type { Pod } from '#api/generated/schema.ts';
import { configuredMs, type KubeletConfiguration } from '#api/kubelet-config/kubelet-configuration.ts';

export interface ShutdownGroup {
  /** Of pods with at least this priority. */
  priority: number;
  graceSeconds: number;
  pods: Pod[];
}

const SYSTEM_CRITICAL = 2_000_000_000;

type Setting = Pick<
  KubeletConfiguration,
  'shutdownGracePeriod' | 'shutdownGracePeriodCriticalPods' | 'shutdownGracePeriodByPodPriority'
>;

/** Lowest priority first. Empty: nobody waits for pods. */
export function shutdownPeriods(configuration: Setting): Omit<ShutdownGroup, 'pods'>[] {
  const byPriority = configuration.shutdownGracePeriodByPodPriority.map(({ priority, shutdownGracePeriodSeconds }) => ({
    priority,
    graceSeconds: shutdownGracePeriodSeconds,
  }));
  if (byPriority.length > 0) return byPriority.sort((a, b) => a.priority - b.priority);
  const all = configuredMs(configuration.shutdownGracePeriod) / 1000;
  const critical = configuredMs(configuration.shutdownGracePeriodCriticalPods) / 1000;
  if (all === 0) return [];
  return [
    { priority: 0, graceSeconds: all - critical },
    { priority: SYSTEM_CRITICAL, graceSeconds: critical },
  ];
}

/** Who is below the lowest priority ends with the lowest. Groups without pods are left out. */
export function shutdownGroups(configuration: Setting, pods: readonly Pod[]): ShutdownGroup[] {
  const groups = shutdownPeriods(configuration).map((period): ShutdownGroup => ({ ...period, pods: [] }));
  for (const pod of pods) {
    const priority = pod.spec.priority ?? 0;
    const group = groups.findLast((each) => each.priority <= priority) ?? groups[0];
    group?.pods.push(pod);
  }
  return groups.filter((group) => group.pods.length > 0);
}
