/** Who schedules: a name that pods ask for by `schedulerName`, and the plugins in the order in which they are asked. */
import type { Extender } from './define-extender.ts';
import type { Plugin } from './define-plugin.ts';
import { balancedAllocation } from './plugins/balanced-allocation.ts';
import { defaultBinder } from './plugins/default-binder.ts';
import { defaultPreemption } from './plugins/default-preemption.ts';
import { dynamicResources } from './plugins/dynamic-resources/dynamic-resources.ts';
import { imageLocality } from './plugins/image-locality.ts';
import { interPodAffinity } from './plugins/inter-pod-affinity.ts';
import { nodeAffinity } from './plugins/node-affinity.ts';
import { nodeDeclaredFeatures } from './plugins/node-declared-features.ts';
import { nodeName } from './plugins/node-name.ts';
import { nodePorts } from './plugins/node-ports.ts';
import { nodeResourcesFit } from './plugins/node-resources-fit.ts';
import { nodeUnschedulable } from './plugins/node-unschedulable.ts';
import { nodeVolumeLimits } from './plugins/node-volume-limits.ts';
import { podTopologySpread } from './plugins/pod-topology-spread.ts';
import { prioritySort } from './plugins/priority-sort.ts';
import { schedulingGates } from './plugins/scheduling-gates.ts';
import { taintToleration } from './plugins/taint-toleration.ts';
import { volumeBinding } from './plugins/volume-binding.ts';
import { volumeRestrictions } from './plugins/volume-restrictions.ts';
import { volumeZone } from './plugins/volume-zone.ts';

export interface Profile {
  schedulerName: string;
  plugins: readonly Plugin[];
  /** Asked after the plugins. */
  extenders?: readonly Extender[];
  /** See `CycleOptions`. */
  percentageOfNodesToScore?: number;
}

/** Anew for each scheduler: plugins may remember what they have given away. */
export const defaultProfile = (): Profile => ({
  schedulerName: 'default-scheduler',
  plugins: [
    schedulingGates,
    prioritySort,
    nodeUnschedulable,
    nodeName,
    taintToleration,
    nodeAffinity,
    nodePorts,
    nodeResourcesFit,
    volumeRestrictions,
    nodeVolumeLimits,
    volumeBinding(),
    volumeZone,
    podTopologySpread,
    interPodAffinity,
    dynamicResources(),
    defaultPreemption,
    balancedAllocation,
    imageLocality,
    defaultBinder,
    nodeDeclaredFeatures,
  ],
});
